// The shape of a JSON value: which fields there are and of which type, and where two of them differ.

export function shapeDifferences(ours: unknown, theirs: unknown, path = ''): string[] {
  const [a, b] = [kind(ours), kind(theirs)];
  if (a !== b) return [`${path || '.'}: ${a}, theirs ${b}`];
  if (Array.isArray(ours) && Array.isArray(theirs)) {
    if (ours.length === 0 || theirs.length === 0) return [];
    return shapeDifferences(ours[0], theirs[0], `${path}[]`);
  }
  if (!isObject(ours) || !isObject(theirs)) return [];
  const names = [...new Set([...Object.keys(ours), ...Object.keys(theirs)])].sort();
  return names.flatMap((name) => {
    const at = `${path}.${name}`;
    if (!(name in theirs)) return [`${at}: only ours`];
    if (!(name in ours)) return [`${at}: only theirs`];
    return shapeDifferences(ours[name], theirs[name], at);
  });
}

const isObject = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const kind = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value);
