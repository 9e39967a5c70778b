// Tables from the definitions: enumerations as lists, and the shape of every object for the walk in src/spec/shape.ts.
import { isWide, refName, resolve } from './schemas.mjs';

const constant = (name) => `${name.replace(/([a-z])([A-Z])/g, '$1_$2').toUpperCase()}`;
const plural = (name) =>
  /(s|x|ch)$/.test(name) ? `${name}ES` : name.endsWith('Y') ? `${name.slice(0, -1)}IES` : `${name}S`;

/** 'wide' for a 64-bit integer, '' for another leaf, `[]X` and `{}X` for lists and maps of X, else a definition's name. */
function shapeOf(schemas, schema) {
  const target = resolve(schemas, schema);
  if (target.type === 'integer') return isWide(target) ? 'wide' : '';
  if (target.type === 'array') return `[]${shapeOf(schemas, target.items)}`;
  if (target.type !== 'object') return '';
  return target.properties ? refName(schema) : `{}${shapeOf(schemas, target.additionalProperties)}`;
}

function shape(schemas, [name, schema]) {
  const properties = Object.entries(schema.properties).map(([key, value]) => `${key}: '${shapeOf(schemas, value)}'`);
  return `  ${name}: { ${properties.join(', ')} },`;
}

/** The objects that a config.json can hold. */
function reachable(schemas, root, found = []) {
  if (found.includes(root)) return found;
  found.push(root);
  for (const property of Object.values(schemas.definitions[root].properties)) {
    const name = shapeOf(schemas, property).replace(/^(\[\]|\{\})+/, '');
    if (name in schemas.definitions) reachable(schemas, name, found);
  }
  return found;
}

export function values(schemas, root) {
  const all = Object.entries(schemas.definitions);
  const enums = all.filter(([, schema]) => schema.enum);
  const objects = reachable(schemas, root).map((name) => [name, schemas.definitions[name]]);
  return [
    schemas.note,
    `import type {\n${enums
      .map(([name]) => `  ${name},\n`)
      .sort()
      .join('')}} from './types.gen.js';`,
    '',
    ...enums.map(([name, schema]) => {
      const items = schema.enum.map((value) => `  '${value}',\n`).join('');
      return `export const ${plural(constant(name))}: readonly ${name}[] = [\n${items}];\n`;
    }),
    '/** Properties by object. A shape is the name of an object, [] or {} before the shape of its items, wide (64-bit integer) or empty. */',
    'export const SHAPES: { readonly [object: string]: { readonly [property: string]: string } } = {',
    ...objects.map((entry) => shape(schemas, entry)),
    '};',
    '',
  ].join('\n');
}
