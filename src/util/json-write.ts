/**
 * JSON text of values that hold bigints, which JSON.stringify refuses. Otherwise the same text as JSON.stringify's;
 * there is no toJSON.
 *
 * Pure.
 */
type Fields = { readonly [key: string]: unknown };

/** indent: spaces per level or the text of one level, as JSON.stringify's third argument. */
export function stringifyJson(value: unknown, indent: number | string = ''): string {
  return write(value, typeof indent === 'number' ? ' '.repeat(indent) : indent, '\n') ?? 'null';
}

/** gap: the line break and indentation that the value's own line has. Undefined for what JSON leaves out. */
function write(value: unknown, indent: string, gap: string): string | undefined {
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const inner = gap + indent;
  if (Array.isArray(value)) {
    return enclose(
      '[',
      value.map((item: unknown) => write(item, indent, inner) ?? 'null'),
      ']',
      indent,
      gap,
    );
  }
  const colon = indent === '' ? ':' : ': ';
  const members: string[] = [];
  for (const [key, item] of Object.entries(value as Fields)) {
    const text = write(item, indent, inner);
    if (text !== undefined) members.push(JSON.stringify(key) + colon + text);
  }
  return enclose('{', members, '}', indent, gap);
}

function enclose(open: string, members: readonly string[], close: string, indent: string, gap: string): string {
  if (members.length === 0) return open + close;
  if (indent === '') return open + members.join(',') + close;
  return open + gap + indent + members.join(`,${gap}${indent}`) + gap + close;
}
