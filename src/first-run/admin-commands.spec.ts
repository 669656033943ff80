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
    ['reset-link a@b.example', 'reset-link', 'a@b.example'],
    ['verify-user a@b.example', 'verify-user', 'a@b.example'],
    ['new-epoch', 'new-epoch', undefined],
    ['export-next-key acme', 'export-next-key', { orgId: 'acme', keyFile: undefined }],
    ['export-next-key acme --key-file f', 'export-next-key', { orgId: 'acme', keyFile: 'f' }],
    ['rotate-signing-key acme --key-file f', 'rotate-signing-key', { orgId: 'acme', keyFile: 'f' }],
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
    'reset-link',
    'new-epoch 7',
    'export-next-key',
    'export-next-key acme --key-file',
    'export-next-key acme file',
    'rotate-signing-key acme --key-file f g',
    'reset-password a@b.example x',
  ])('refuses "%s"', (line) => expect(() => adminCommandOf(line.split(' '))).toThrow(AdminUsageError));
});
