/** Patches of config.json: JSON pointer (RFC 6901) to value. Pure. */
import type { Config } from './config.js';
import type { Patch, Place } from './model.js';

type Tree = { [name: string]: unknown };

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null;

/** Makes objects on the way; "-" as the last step appends, and makes the array. */
function assign(root: Tree, pointer: string, value: unknown): void {
  const steps = pointer
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  const last = steps.pop() ?? '';
  let at: Tree = root;
  steps.forEach((step, index) => {
    const next = steps[index + 1] ?? last;
    if (!isTree(at[step])) at[step] = /^(-|\d+)$/.test(next) ? [] : {};
    at = at[step] as Tree;
  });
  if (last === '-' && Array.isArray(at)) at.push(value);
  else if (value === undefined && Array.isArray(at)) at.splice(Number(last), 1);
  else if (value === undefined) delete at[last];
  else at[last] = value;
}

export function fill(text: string, place: Place): string {
  return text.replace(/\{(dir|bundle|rootfs|id)\}/g, (_, name: keyof Place) => place[name]);
}

function fillAll(value: unknown, place: Place): unknown {
  if (typeof value === 'string') return fill(value, place);
  if (Array.isArray(value)) return value.map((each) => fillAll(each, place));
  if (!isTree(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [fill(name, place), fillAll(each, place)]));
}

export function apply(config: Config, patch: Patch | undefined, place: Place): void {
  for (const [pointer, value] of Object.entries(patch ?? {}))
    assign(config, fill(pointer, place), fillAll(value, place));
}

/** JSON has exact 64 bit numbers, JavaScript does not: "@18446744073709551615" is written as a number. */
export function serialize(config: Config): string {
  // Cases number the entries of a list; those that are not run leave holes.
  const dense = (_: string, value: unknown): unknown => (Array.isArray(value) ? value.filter(() => true) : value);
  return JSON.stringify(config, dense, 1).replace(/"@(\d+)"/g, '$1');
}
