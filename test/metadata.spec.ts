import 'reflect-metadata';
import { Injectable } from '@nestjs/common';
import { expect, it } from 'vitest';

class Dependency {}

@Injectable()
class Dependent {
  constructor(readonly dependency: Dependency) {}
}

it('tests see the decorator metadata that injection relies on', () => {
  expect(Reflect.getMetadata('design:paramtypes', Dependent)).toEqual([Dependency]);
});
