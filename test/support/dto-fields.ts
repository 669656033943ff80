import 'reflect-metadata';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import { getMetadataStorage } from 'class-validator';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const filesBelow = (folder: string, ending: string): string[] =>
  (readdirSync(join(ROOT, folder), { recursive: true }) as string[])
    .filter((file) => file.endsWith(ending) && !file.endsWith('.spec.ts'))
    .map((file) => join(folder, file));

/** A class as its source declares it. */
export interface DeclaredClass {
  file: string;
  /** Of a plain `extends`; what mapped types (`PartialType`, …) bring is not known here. */
  base?: string;
  fields: { name: string; optional: boolean }[];
}

/** Every class of the sources that declares fields, by name: what the swagger plugin should have seen. */
export function declaredClasses(): Map<string, DeclaredClass> {
  const classes = new Map<string, DeclaredClass>();
  for (const file of [...filesBelow('src', '.ts'), ...filesBelow('libs/platform', '.ts')]) {
    const source = ts.createSourceFile(file, readFileSync(join(ROOT, file), 'utf8'), ts.ScriptTarget.Latest);
    for (const node of source.statements) {
      if (!ts.isClassDeclaration(node) || !node.name) continue;
      const base = node.heritageClauses?.find((clause) => clause.token === ts.SyntaxKind.ExtendsKeyword)?.types[0];
      classes.set(node.name.text, {
        file,
        ...(base && ts.isIdentifier(base.expression) ? { base: base.expression.text } : {}),
        fields: node.members.flatMap((member) =>
          ts.isPropertyDeclaration(member) && ts.isIdentifier(member.name)
            ? [{ name: member.name.text, optional: member.questionToken !== undefined }]
            : [],
        ),
      });
    }
  }
  return classes;
}

/** What a handler validates: the class of its body or of its query, and the fields that its rules know. */
export interface ValidatedInput {
  operationId: string;
  from: 'body' | 'query';
  type: string;
  fields: Map<string, { required: boolean }>;
}

/** The validated inputs of every handler, from the metadata that the server itself validates by. */
export async function validatedInputs(): Promise<ValidatedInput[]> {
  const inputs: ValidatedInput[] = [];
  for (const file of filesBelow('src', '.controller.ts')) {
    const module = (await import(join(ROOT, file))) as Record<string, unknown>;
    for (const controller of Object.values(module).filter((value) => typeof value === 'function')) {
      for (const operationId of Object.getOwnPropertyNames(controller.prototype)) {
        const args = Reflect.getMetadata(ROUTE_ARGS_METADATA, controller, operationId) as
          | Record<string, { index: number; data?: unknown }>
          | undefined;
        const types = Reflect.getMetadata('design:paramtypes', controller.prototype as object, operationId) as
          | (new () => unknown)[]
          | undefined;
        for (const [key, { index }] of Object.entries(args ?? {})) {
          const kind = Number(key.split(':')[0]);
          const type = types?.[index];
          if ((kind !== RouteParamtypes.BODY && kind !== RouteParamtypes.QUERY) || !type || type === Object) continue;
          const from = kind === RouteParamtypes.BODY ? 'body' : 'query';
          inputs.push({ operationId, from, type: type.name, fields: validatedFields(type) });
        }
      }
    }
  }
  return inputs;
}

/** A body whose every field is true. */
const ALL_TRUE = new Proxy({}, { get: () => true });

function validatedFields(type: new () => unknown): Map<string, { required: boolean }> {
  const fields = new Map<string, { required: boolean }>();
  for (const rule of getMetadataStorage().getTargetValidationMetadatas(type, '', false, false)) {
    const field = fields.get(rule.propertyName) ?? { required: true };
    // IsOptional and MayBeAbsent: the other rules are not asked about a field that is left out, of some body at least.
    const [condition] = (rule.constraints ?? []) as ((object: object, value: unknown) => boolean)[];
    const allows = (body: object) => !condition!(body, undefined);
    if (rule.type === 'conditionalValidation' && [{}, ALL_TRUE].some(allows)) field.required = false;
    fields.set(rule.propertyName, field);
  }
  return fields;
}
