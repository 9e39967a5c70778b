/**
 * Rules that a schema cannot say: a place in the document (`*` stands for every item of a list or map) and a check of what is there.
 * A rule reports all it finds. It is skipped where the schema already refused something that it reads, so a check may
 * trust its types.
 *
 * Pure.
 */
import type { SpecIssueCode } from '../errors.js';
import { append, asPointer, type JsonPointer } from '../util/pointer.js';
import { type Details, type Issues, issue, lookup } from './issues.js';

/** What a check reports to. `at` is relative to the rule's place: "/destination", or "" for the place itself. */
export interface Site<Root> {
  /** The whole document (or the process, for rules of a process). */
  readonly root: Root;
  error(code: SpecIssueCode, at: string, message: string, details?: Details): void;
  warn(code: SpecIssueCode, at: string, message: string, details?: Details): void;
}

export interface Reach {
  /** Other places that the check reads. */
  readonly needs?: readonly string[];
  /** The check reads nothing below its place but what `needs` names. */
  readonly shallow?: boolean;
}

export interface Rule<Root> extends Reach {
  readonly place: string;
  readonly check: (value: unknown, on: Site<Root>) => void;
}

/** The type at a place: At<Config, '/mounts/*'> is Mount. */
export type At<T, P extends string> = P extends ''
  ? T
  : P extends `/${infer Key}/${infer Rest}`
    ? At<Step<T, Key>, `/${Rest}`>
    : P extends `/${infer Key}`
      ? Step<T, Key>
      : never;

type Step<T, Key> = Key extends '*'
  ? T extends readonly (infer Item)[]
    ? Item
    : T extends { readonly [name: string]: infer Item }
      ? Item
      : never
  : Key extends keyof T
    ? NonNullable<T[Key]>
    : never;

/** rulesOf<Config>()('/root/path', check): a rule whose check takes what the interfaces have at that place. */
export function rulesOf<Root>() {
  return <P extends string>(
    place: P,
    check: (value: At<Root, P>, on: Site<Root>) => void,
    reach: Reach = {},
  ): Rule<Root> => ({ ...reach, place, check: (value, on) => check(value as At<Root, P>, on) });
}

export interface Run<Root> {
  readonly root: Root;
  /** Where the root is in the document: '' or '/process'. */
  readonly base: JsonPointer;
  /** Paths the schema refused. */
  readonly refused: readonly JsonPointer[];
  readonly issues: Issues;
}

export function runRules<Root>(rules: readonly Rule<Root>[], run: Run<Root>): void {
  const found = new Map<string, Matches>();
  for (const rule of rules) {
    if (rule.needs?.some((place) => !isSound(join(run.base, place), run.refused))) continue;
    const places = found.get(rule.place) ?? matches(run.root, rule.place);
    found.set(rule.place, places);
    for (const [path, value] of places) {
      if (isSound(join(run.base, path), run.refused, rule.shallow)) rule.check(value, site(run, path, value));
    }
  }
}

/** Joins two written-out pointers. */
const join = (base: string, path: string): JsonPointer => asPointer(base + path);

function isSound(path: JsonPointer, refused: readonly JsonPointer[], shallow = false): boolean {
  const below = `${path}/`;
  return refused.every((bad) => bad !== path && !path.startsWith(`${bad}/`) && (shallow || !bad.startsWith(below)));
}

function site<Root>({ root, base, issues }: Run<Root>, path: string, value: unknown): Site<Root> {
  const found = (code: SpecIssueCode, at: string, message: string, details: Details = {}) =>
    issue(code, join(base, path + at), message, { value: scalar(lookup(value, at)), ...details });
  return {
    root,
    error: (...args) => void issues.errors.push(found(...args)),
    warn: (...args) => void issues.warnings.push(found(...args)),
  };
}

const scalar = (value: unknown): unknown => (typeof value === 'object' ? undefined : value);

type Matches = readonly (readonly [path: string, value: unknown])[];
type Fields = { readonly [key: string]: unknown };

/** Every value at a place, with its pointer. Absent values are none. */
function matches(root: unknown, place: string): Matches {
  let found: Matches = [['', root]];
  for (const key of place.split('/').slice(1)) {
    const next: [string, unknown][] = [];
    for (const [path, value] of found) {
      if (typeof value === 'object' && value !== null) step(path, value as Fields, key, next);
    }
    found = next;
  }
  return found;
}

function step(path: string, value: Fields, key: string, next: [string, unknown][]): void {
  const keys = key === '*' ? Object.keys(value) : Object.hasOwn(value, key) ? [key] : [];
  for (const name of keys) {
    if (value[name] !== undefined) next.push([append(asPointer(path), name), value[name]]);
  }
}
