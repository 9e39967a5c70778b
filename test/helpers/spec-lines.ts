// A config.json as lines, so that two of them can be held side by side: what is a set in the runtime's eyes is one here.
// Mounts keep their order by the names of those before them that matter: the ones they lie below.

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Lists whose order means nothing. */
const SETS = [
  /^\/process\/(?:env|capabilities\/\w+)$/,
  /^\/linux\/(?:maskedPaths|readonlyPaths|namespaces|devices|resources\/devices|seccomp\/architectures)$/,
  /^\/process\/(?:rlimits|user\/additionalGids)$/,
  /^\/mounts\/[^ ]* options$/,
];

const isObject = (value: Json): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Sorted; nothing for what is empty, false, 0 or null, which means the same as not said. */
export function specLines(spec: Json): string[] {
  return [...new Set(linesOf(spec, ''))].toSorted();
}

function linesOf(value: Json, path: string): string[] {
  if (value === null || value === false || value === 0 || value === '') return [];
  if (path === '/mounts' && Array.isArray(value)) return value.flatMap((mount) => mountLines(mount));
  if (path === '/linux/seccomp/syscalls' && Array.isArray(value)) return value.flatMap((rule) => ruleLines(rule, path));
  if (Array.isArray(value)) {
    if (SETS.some((set) => set.test(path))) return value.map((item) => `${path} has ${JSON.stringify(sorted(item))}`);
    return value.flatMap((item, index) => linesOf(item, `${path}/${index}`));
  }
  if (isObject(value)) return Object.entries(value).flatMap(([key, item]) => linesOf(item, `${path}/${key}`));
  return [`${path} = ${JSON.stringify(value)}`];
}

function mountLines(mount: Json): string[] {
  if (!isObject(mount)) return [];
  const { destination = '', options = [], ...rest } = mount;
  const at = `/mounts${String(destination)}`;
  return [...linesOf(options, `${at} options`), ...linesOf(rest, at), `${at} is mounted`];
}

/** One line for each name. */
function ruleLines(rule: Json, path: string): string[] {
  if (!isObject(rule)) return [];
  const { names = [], ...rest } = rule;
  const what = JSON.stringify(sorted(rest));
  return Array.isArray(names) ? names.map((name) => `${path} ${String(name)}: ${what}`) : [];
}

function sorted(value: Json): Json {
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([, item]) => item !== null && item !== false && item !== '');
  return Object.fromEntries(kept.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Destinations in the order they are mounted in, each with what lies above it in that order. */
export function mountOrder(spec: Json): string[] {
  const mounts = isObject(spec) ? spec['mounts'] : [];
  const paths = Array.isArray(mounts)
    ? mounts.map((mount) => (isObject(mount) ? String(mount['destination']) : ''))
    : [];
  return paths
    .map((path, index) => {
      const above = paths.slice(0, index).filter((other) => path.startsWith(`${other}/`));
      return `${path} after ${above.join(', ')}`;
    })
    .toSorted();
}
