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
import { DAEMON_OPTIONS, FILE_KEYS, ONLY_FLAGS, type OptionName } from './options.js';

export type Value = boolean | string | readonly string[] | undefined;
export type Given = { readonly [name in OptionName]?: Value };

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
    else if (name !== undefined) given[name] = typeof value === 'number' ? String(value) : (value as Value);
  }
  if (problems.length > 0) throw new UsageError(`${FLAG}: ${quote(path)}: ${problems.join('; ')}`, FLAG);
  return given;
}

function unknown(key: string): string {
  const hint = didYouMean(key, [...NAMES.keys()]);
  return `${quote(key, 64)} is no option of this daemon${hint === undefined ? '' : ` (${hint})`}`;
}

function problemOf(name: OptionName, key: string, value: unknown, flags: Given): string | undefined {
  const { kind } = DAEMON_OPTIONS[name];
  const at = `${key} is specified both as a flag and in the file`;
  if (kind === 'flag')
    return typeof value === 'boolean' ? undefined : `${key}: must be true or false (got ${show(value)})`;
  if (kind === 'list') {
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string'))
      return `${key}: must be a list of texts (got ${show(value)})`;
    return Array.isArray(flags[name]) && flags[name].length > 0 ? at : undefined;
  }
  if (typeof value !== 'string' && !Number.isSafeInteger(value)) return `${key}: must be a text (got ${show(value)})`;
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
