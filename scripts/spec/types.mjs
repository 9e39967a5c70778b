// TypeScript interfaces from the definitions. Everything is readonly; named integers and lists are written in place.
import { isWide, refName, resolve } from './schemas.mjs';

const isInterface = (schema) => schema.type === 'object' && schema.properties !== undefined;
const isNamed = (schema) => isInterface(schema) || schema.enum !== undefined;

function typeOf(schemas, schema) {
  const name = refName(schema);
  if (name !== undefined) {
    const target = resolve(schemas, schema);
    return isNamed(target) ? name : typeOf(schemas, target);
  }
  if (schema.enum) return schema.enum.map((value) => `'${value}'`).join(' | ');
  if (schema.type === 'integer') return isWide(schema) ? schemas.wide : 'number';
  if (schema.type === 'array') {
    const item = typeOf(schemas, schema.items);
    return item.includes(' ') ? `readonly (${item})[]` : `readonly ${item}[]`;
  }
  if (schema.type === 'object') return `{ readonly [name: string]: ${typeOf(schemas, schema.additionalProperties)} }`;
  return schema.type ?? 'unknown';
}

const comment = (text, indent = '') => (text === undefined ? [] : [`${indent}/** ${text} */`]);

function property(schemas, owner, [name, schema]) {
  const present = owner.required?.includes(name) || schema.default !== undefined;
  const text =
    schema.description ?? (isNamed(resolve(schemas, schema)) ? undefined : resolve(schemas, schema).description);
  return [...comment(text, '  '), `  readonly ${name}${present ? '' : '?'}: ${typeOf(schemas, schema)};`];
}

function definition(schemas, name, schema) {
  if (schema.enum) return [`export type ${name} =\n  | ${typeOf(schemas, schema).replaceAll(' | ', '\n  | ')};`, ''];
  if (!isInterface(schema)) return [];
  return [
    ...comment(schema.description),
    `export interface ${name} {`,
    ...Object.entries(schema.properties).flatMap((entry) => property(schemas, schema, entry)),
    '}',
    '',
  ];
}

export function types(schemas) {
  const body = Object.entries(schemas.definitions).flatMap(([name, schema]) => definition(schemas, name, schema));
  return [schemas.note, '', ...body].join('\n');
}
