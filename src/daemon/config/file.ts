/**
 * The configuration file: dockerd's daemon.json, as far as the options are ours. What it does not know is refused, all of
 * it at once, and so is what stands in the file and on the command line.
 */
import { UsageError } from '../../errors.js';
import { describeSystemError } from '../../util/errno.js';
import { readHostFile } from '../../util/file.js';
import { quote } from '../../util/quote.js';
import { show } from '../../util/show.js';
import { didYouMean } from '../../util/suggest.js';
import type { Given, Value } from './given.js';
import { DAEMON_OPTIONS, FILE_KEYS, ONLY_FLAGS, type OptionName } from './options.js';

const FLAG = '--config-file';
const MAX_BYTES = 1024 * 1024;

const NAMES = new Map<string, OptionName>(
  (Object.keys(DAEMON_OPTIONS) as OptionName[])
    .filter((name) => !ONLY_FLAGS.includes(name))
    .map((name) => [FILE_KEYS[name] ?? name, name]),
);

/** optional: a file that is not there says nothing. Throws UsageError with all that is wrong. */
export function readConfigFile(path: string, optional: boolean, flags: Given): Given {
  const bytes = readBytes(path, optional);
  if (bytes === undefined) return {};
  const document = parse(bytes, path);
  const problems: string[] = [];
  const given: { [name in OptionName]?: Value } = {};
  for (const [key, value] of Object.entries(document)) {
    const name = NAMES.get(key);
    const problem = name === undefined ? unknown(key) : problemOf(name, key, value, flags);
    if (problem !== undefined) problems.push(problem);
    else if (name !== undefined) given[name] = asGiven(name, value);
  }
  if (problems.length > 0) throw new UsageError(`${FLAG}: ${quote(path)}: ${problems.join('; ')}`, FLAG);
  return given;
}

/** As it would stand on the command line. */
function asGiven(name: OptionName, value: unknown): Value {
  if (DAEMON_OPTIONS[name].kind === 'flag') return value === true;
  if (Array.isArray(value)) return value.map((item) => (typeof item === 'string' ? item : joined(item, ',')));
  if (DAEMON_OPTIONS[name].kind === 'list') return Object.entries(Object(value)).map((pair) => pair.join('='));
  return String(value);
}

const joined = (fields: unknown, separator: string): string =>
  Object.entries(Object(fields))
    .map((pair) => pair.join('='))
    .join(separator);

/** The lists of dockerd's file that are not of texts: pools are objects, and log-opts is one. */
const OBJECTS: readonly OptionName[] = ['default-address-pool', 'log-opt'];

function isObjects(name: OptionName, value: unknown): boolean {
  if (!OBJECTS.includes(name) || typeof value !== 'object' || value === null) return false;
  const objects: readonly unknown[] = name === 'log-opt' ? [value] : Array.isArray(value) ? value : [value];
  const flat = (one: unknown) =>
    typeof one === 'object' && one !== null && !Array.isArray(one) && Object.values(one).every(isPlain);
  return (name === 'log-opt' || Array.isArray(value)) && objects.every(flat);
}

const isPlain = (value: unknown): boolean => typeof value === 'string' || typeof value === 'number';

function unknown(key: string): string {
  const hint = didYouMean(key, [...NAMES.keys()]);
  return `${quote(key, 64)} is no option of this daemon${hint === undefined ? '' : ` (${hint})`}`;
}

const WHAT: { readonly [name in OptionName]?: string } = {
  'default-address-pool': 'a list of objects with base and size',
  'log-opt': 'an object of texts',
};

function problemOf(name: OptionName, key: string, value: unknown, flags: Given): string | undefined {
  const { kind, truth = false }: { readonly kind: string; readonly truth?: boolean } = DAEMON_OPTIONS[name];
  const at = `${key} is specified both as a flag and in the file`;
  if (kind === 'flag')
    return typeof value === 'boolean' ? undefined : `${key}: must be true or false (got ${show(value)})`;
  if (kind === 'list') {
    const texts = Array.isArray(value) && value.every((item) => typeof item === 'string') && !OBJECTS.includes(name);
    if (!texts && !isObjects(name, value))
      return `${key}: must be ${WHAT[name] ?? 'a list of texts'} (got ${show(value)})`;
    return Array.isArray(flags[name]) && flags[name].length > 0 ? at : undefined;
  }
  if (truth && typeof value !== 'boolean') return `${key}: must be true or false (got ${show(value)})`;
  if (!truth && typeof value !== 'string' && !Number.isSafeInteger(value))
    return `${key}: must be a text (got ${show(value)})`;
  return flags[name] === undefined ? undefined : at;
}

function readBytes(path: string, optional: boolean): Buffer | undefined {
  try {
    return readHostFile(path, FLAG, { max: MAX_BYTES });
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    if (optional && cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new UsageError(`${FLAG}: ${quote(path)}: ${describeSystemError(cause)}`, FLAG);
  }
}

function parse(bytes: Buffer, path: string): object {
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new UsageError(`${FLAG}: ${quote(path)}: not JSON: ${error instanceof Error ? error.message : ''}`, FLAG);
  }
  if (typeof document === 'object' && document !== null && !Array.isArray(document)) return document;
  throw new UsageError(`${FLAG}: ${quote(path)}: must be an object`, FLAG);
}
