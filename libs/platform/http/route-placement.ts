import { applyDecorators, type INestApplicationContext, SetMetadata } from '@nestjs/common';
import { PATH_METADATA } from '@nestjs/common/constants.js';
import { MetadataScanner, ModulesContainer } from '@nestjs/core';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiConsumes } from '@nestjs/swagger';

const AT_ROOT = 'gatehouse:at-root';

/** The route is served at the root, not under the API's prefix: for supervisors and machines. */
export const AtRoot = (): MethodDecorator => SetMetadata(AT_ROOT, true);

/** @returns the paths of all routes that are `AtRoot`. */
export function rootRoutes(app: INestApplicationContext): string[] {
  const scanner = new MetadataScanner();
  const controllers = [...app.get(ModulesContainer).values()].flatMap((module) => [...module.controllers.values()]);
  return controllers.flatMap(({ metatype }) => {
    const prototype = (metatype as { prototype: Record<string, object> }).prototype;
    return scanner
      .getAllMethodNames(prototype)
      .map((name) => prototype[name]!)
      .filter((handler) => Reflect.getMetadata(AT_ROOT, handler) === true)
      .map((handler) => Reflect.getMetadata(PATH_METADATA, handler) as string);
  });
}

/** The route takes a document as it is written, YAML too, of up to twice the size of other bodies. */
export const TakesDocument = (): MethodDecorator =>
  applyDecorators(RouteConfig({ takesDocument: true }), ApiConsumes('application/json', 'application/yaml'));

/** The route takes a certificate signing request in base64 (RFC 7030 §4.2.1), as text, and nothing else. */
export const TakesCsr = (): MethodDecorator =>
  applyDecorators(RouteConfig({ takesCsr: true }), ApiConsumes('application/pkcs10'));

/** Whether a route said `TakesCsr`, by its Fastify configuration. */
export const takesCsr = (config: unknown): boolean => (config as { takesCsr?: boolean } | undefined)?.takesCsr === true;

/** Whether a route said `TakesDocument`, by its Fastify configuration. */
export const takesDocument = (config: unknown): boolean =>
  (config as { takesDocument?: boolean } | undefined)?.takesDocument === true;
