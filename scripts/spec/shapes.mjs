// What the walk over an API body (src/daemon/api/normalise.ts) knows of every object: its properties, each by the kind of
// its value, so that null becomes Go's zero and names are found whatever their case.
import { refName, resolve } from './schemas.mjs';

const LEAVES = { string: 'text', integer: 'number', boolean: 'boolean' };

/** A leaf's kind, `words`, `[]X` and `{}X` for lists and maps of X, else a definition's name. */
function shapeOf(schemas, schema) {
  const name = refName(schema);
  if (name === 'Words') return 'words';
  const target = resolve(schemas, schema);
  if (target.enum) return 'text';
  if (target.type === 'array') return `[]${shapeOf(schemas, target.items)}`;
  if (target.type === 'object' && target.properties) return name;
  if (target.type === 'object') return `{}${shapeOf(schemas, target.additionalProperties)}`;
  return LEAVES[target.type] ?? 'any';
}

export function shapes(schemas) {
  const objects = Object.entries(schemas.definitions).filter(([, { properties }]) => properties);
  return [
    schemas.note,
    '',
    '/** Properties by object. A shape is an object, [] or {} before the shape of its items, words, text, number, boolean or any. */',
    'export const SHAPES: { readonly [object: string]: { readonly [property: string]: string } } = {',
    ...objects.map(([name, { properties }]) => {
      const all = Object.entries(properties).map(([key, value]) => `${key}: '${shapeOf(schemas, value)}'`);
      return `  ${name}: { ${all.join(', ')} },`;
    }),
    '};',
    '',
  ].join('\n');
}
