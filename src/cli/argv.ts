/**
 * Reads options by a table. The grammar is the one that callers of runc rely on (Go's flag package, urfave/cli): options
 * stand before or after the arguments (`delete ID --force`) unless these are a program's, `-root X`, `--root X` and
 * `--root=X` are the same, a value may start with a dash, `--detach=false` is allowed, of a repeated option the last
 * counts. Groups of letters (`-td`) are ours.
 *
 * Tokens are put into one form here (`--name=value`) and handed to collect(), which is yargs. Each value travels behind a
 * ":", because yargs takes quotes off values and drops empty ones.
 *
 * Pure.
 */
import { UsageError } from '../errors.js';
import { quote } from '../util/quote.js';
import { didYouMean } from '../util/suggest.js';
import { collect } from './collect.js';
import type { Option, OptionTable, Values } from './options.js';

export interface Parsed<T extends OptionTable> {
  readonly values: Values<T>;
  /** The arguments; of a "--" before one nothing is left. */
  readonly rest: readonly string[];
}

/** Where options may stand: only before the first argument, or anywhere before a "--". */
export type Placement = 'first' | 'anywhere';

const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);
const MAX_COUNT = 2 ** 31 - 1;

interface Tokens {
  readonly tokens: readonly string[];
  readonly rest: readonly string[];
}

/** Walks argv; take() hands out the value that follows an option. */
class Cursor {
  private at = 0;
  readonly tokens: string[] = [];
  private readonly passed: string[] = [];

  constructor(
    private readonly argv: readonly string[],
    private readonly placement: Placement,
  ) {}

  /** The next option, or undefined where they end. */
  next(): string | undefined {
    if (this.placement === 'anywhere') this.passArguments();
    const arg = this.argv[this.at];
    if (arg === undefined || isArgument(arg)) return undefined;
    this.at++;
    return arg === '--' ? undefined : arg;
  }

  /** After the first of them "-9" is one too: the signal that a user of kill(1) writes so, and is told about. */
  private passArguments(): void {
    for (let arg = this.argv[this.at]; arg !== undefined; arg = this.argv[++this.at]) {
      if (!isArgument(arg) && !(this.passed.length > 0 && /^-\d+$/.test(arg))) return;
      this.passed.push(arg);
    }
  }

  take(written: string): string {
    const value = this.argv[this.at++];
    if (value === undefined) throw new UsageError(`flag needs an argument: ${written}`);
    return value;
  }

  get rest(): readonly string[] {
    return [...this.passed, ...this.argv.slice(this.at)];
  }

  push(name: string, option: Option, written: string, inline: string | undefined): void {
    if (option.kind === 'flag') this.tokens.push(`--${name}=${readBoolean(inline ?? 'true', written)}`);
    else this.tokens.push(`--${name}=:${inline ?? this.take(written)}`);
  }
}

/** "-" alone is the name of stdin. */
const isArgument = (arg: string): boolean => arg === '-' || !arg.startsWith('-');

function readBoolean(text: string, written: string): boolean {
  if (TRUE.has(text)) return true;
  if (FALSE.has(text)) return false;
  throw new UsageError(`${written}: ${quote(text, 64)} is neither true nor false`, written);
}

function find(name: string, table: OptionTable): { name: string; option: Option } | undefined {
  if (Object.hasOwn(table, name) && table[name] !== undefined) return { name, option: table[name] };
  const entry = Object.entries(table).find(([, option]) => option.short === name);
  return entry === undefined ? undefined : { name: entry[0], option: entry[1] };
}

/** `-td`, `-tu0`: letters up to the first that takes a value, which is the remainder or the next argument. */
function pushGroup(letters: string, table: OptionTable, cursor: Cursor): boolean {
  const found: { name: string; option: Option; inline: string | undefined; written: string }[] = [];
  for (let index = 0; index < letters.length; index++) {
    const letter = letters.charAt(index);
    const match = find(letter, table);
    if (match === undefined || match.name === letter) return false;
    const remainder = letters.slice(index + 1).replace(/^=/, '');
    const takesValue = match.option.kind !== 'flag';
    found.push({ ...match, inline: takesValue && remainder !== '' ? remainder : undefined, written: `-${letter}` });
    if (takesValue) break;
  }
  for (const { name, option, written, inline } of found) cursor.push(name, option, written, inline);
  return true;
}

function unknown(written: string, table: OptionTable): UsageError {
  const names = Object.entries(table).flatMap(([name, option]) => (option.hidden === true ? [] : [`--${name}`]));
  return new UsageError(`unknown flag ${quote(written, 64)}`, undefined, didYouMean(written, names));
}

function normalise(argv: readonly string[], table: OptionTable, placement: Placement): Tokens {
  const cursor = new Cursor(argv, placement);
  for (let arg = cursor.next(); arg !== undefined; arg = cursor.next()) {
    const equals = arg.indexOf('=');
    const written = equals < 0 ? arg : arg.slice(0, equals);
    const inline = equals < 0 ? undefined : arg.slice(equals + 1);
    const match = find(written.replace(/^--?/, ''), table);
    if (match !== undefined) cursor.push(match.name, match.option, written, inline);
    else if (arg.startsWith('--') || !pushGroup(arg.slice(1), table, cursor)) throw unknown(written, table);
  }
  return { tokens: cursor.tokens, rest: cursor.rest };
}

function readCount(text: string, name: string): number {
  const count = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (count <= MAX_COUNT) return count;
  throw new UsageError(`--${name}: ${quote(text, 64)} is not a number from 0 to ${MAX_COUNT}`, `--${name}`);
}

function readText(text: string | undefined, name: string, option: Option): string | undefined {
  if (text !== '' || (option.kind === 'text' && option.keepsEmpty === true)) return text;
  if (option.kind === 'text' && option.mayBeEmpty === true) return undefined;
  throw new UsageError(`--${name}: must not be empty`, `--${name}`);
}

function readValue(
  raw: unknown,
  name: string,
  option: Option,
): boolean | number | string | readonly string[] | undefined {
  if (option.kind === 'flag') return Array.isArray(raw) ? raw.at(-1) === true : raw === true;
  const texts = (Array.isArray(raw) ? raw : []).map((value) => String(value).slice(1));
  if (option.kind === 'list') return texts;
  const text = texts.at(-1);
  if (option.kind === 'count') return text === undefined ? 0 : readCount(text, name);
  return readText(text, name, option);
}

/** Throws UsageError for the first option that is unknown, lacks its value or has a bad one. */
export function parseOptions<T extends OptionTable>(
  argv: readonly string[],
  table: T,
  placement: Placement = 'first',
): Parsed<T> {
  const { tokens, rest } = normalise(argv, table, placement);
  const raw = collect(tokens, table);
  const values = Object.entries(table).map(([name, option]) => [name, readValue(raw[name], name, option)]);
  return { values: Object.fromEntries(values) as Values<T>, rest };
}
