import 'reflect-metadata';
import { describe, expect, it } from 'vitest';
import { AdminUsageError, adminCommandOf } from './admin-commands.js';

describe('adminCommandOf', () => {
  it.each([
    ['check', 'check', undefined],
    ['root-key list', 'root-key list', undefined],
    ['root-key create', 'root-key create', undefined],
    ['root-key create name', 'root-key create', 'name'],
    ['root-key revoke id', 'root-key revoke', 'id'],
    ['reset-password a@b.example', 'reset-password', 'a@b.example'],
    ['verify-user a@b.example', 'verify-user', 'a@b.example'],
  ])('takes %s', (line, command, argument) => expect(adminCommandOf(line.split(' '))).toEqual([command, argument]));

  it.each([
    '',
    'chek',
    'check now',
    'root-key',
    'root-key steal',
    'root-key list x',
    'root-key create a b',
    'root-key revoke',
    'verify-user',
    'reset-password a@b.example x',
  ])('refuses "%s"', (line) => expect(() => adminCommandOf(line.split(' '))).toThrow(AdminUsageError));
});
