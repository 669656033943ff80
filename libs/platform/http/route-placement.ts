import { applyDecorators, type INestApplicationContext, SetMetadata } from '@nestjs/common';
import { PATH_METADATA } from '@nestjs/common/constants.js';
import { MetadataScanner, ModulesContainer } from '@nestjs/core';
import { RouteConfig } from '@nestjs/platform-fastify';
import { FASTIFY_ROUTE_CONFIG_METADATA } from '@nestjs/platform-fastify/constants.js';
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

/** What a route says to the HTTP layer below Nest, beside what it has said already. */
const withConfig = (more: RouteSettings): MethodDecorator =>
  ((target: object, name: string | symbol, descriptor: TypedPropertyDescriptor<object>) => {
    const said = Reflect.getMetadata(FASTIFY_ROUTE_CONFIG_METADATA, descriptor.value!) as RouteSettings | undefined;
    return RouteConfig({ ...said, ...more })(target, name, descriptor as never);
  }) as MethodDecorator;

interface RouteSettings {
  takesDocument?: boolean;
  takesCsr?: boolean;
  needsTls?: boolean;
}

/** The route takes a document as it is written, YAML too, of up to twice the size of other bodies. */
export const TakesDocument = (): MethodDecorator =>
  applyDecorators(withConfig({ takesDocument: true }), ApiConsumes('application/json', 'application/yaml'));

/** The route takes a certificate signing request in base64 (RFC 7030 §4.2.1), as text, and nothing else. */
export const TakesCsr = (): MethodDecorator =>
  applyDecorators(withConfig({ takesCsr: true }), ApiConsumes('application/pkcs10'));

/**
 * The route is there over TLS only, which this server or a proxy of TRUST_PROXY has ended; over plain HTTP it is 403, before what the request presents
 * is read.
 */
export const NeedsTls = (): MethodDecorator => withConfig({ needsTls: true });

/** Whether a route said `TakesCsr`, by its Fastify configuration. */
export const takesCsr = (config: unknown): boolean => (config as RouteSettings | undefined)?.takesCsr === true;

/** Whether a route said `TakesDocument`, by its Fastify configuration. */
export const takesDocument = (config: unknown): boolean =>
  (config as RouteSettings | undefined)?.takesDocument === true;

/** Whether a route said `NeedsTls`, by its Fastify configuration. */
export const needsTls = (config: unknown): boolean => (config as RouteSettings | undefined)?.needsTls === true;
