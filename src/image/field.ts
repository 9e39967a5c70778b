/**
 * Reads JSON documents that a stranger wrote: manifests, indexes, configs. Each getter returns a value of its type in any
 * case and notes what was wrong; finish() throws all of it at once, with places written as `layers[3].size`.
 *
 * Pure.
 */
import { TsrunError } from '../errors.js';
import { type Digest, isDigest } from '../util/digest.js';
import { quote } from '../util/quote.js';
import { show } from '../util/show.js';

const MAX_DEPTH = 64;
const MAX_TEXT = 64 * 1024;
const MAX_SHOWN = 8;
const ZERO = `sha256:${'0'.repeat(64)}` as Digest;

export class Field {
  private constructor(
    readonly value: unknown,
    private readonly path: string,
    private readonly issues: string[],
  ) {}

  /** what: "manifest sha256:…". Throws TsrunError IMAGE_INVALID for what is no JSON object. */
  static parse(bytes: Uint8Array, what: string): Field {
    const issues: string[] = [];
    const field = new Field(parseJson(bytes, what), '', issues);
    if (!field.isObject()) throw invalid(what, [`is ${show(field.value)}, not an object`]);
    return field;
  }

  /** A document that was read elsewhere. */
  static of(value: unknown): Field {
    return new Field(value, '', []);
  }

  get isThere(): boolean {
    return this.value !== undefined && this.value !== null;
  }

  isObject(): boolean {
    return typeof this.value === 'object' && this.value !== null && !Array.isArray(this.value);
  }

  refuse(reason: string): void {
    this.issues.push(this.path === '' ? reason : `${this.path}: ${reason}`);
  }

  get(key: string): Field {
    const value: unknown =
      this.isObject() && Object.hasOwn(this.value as object, key) ? Reflect.get(this.value as object, key) : undefined;
    return new Field(value, this.path === '' ? key : `${this.path}.${key}`, this.issues);
  }

  /** An object that must be there. */
  object(): Field {
    if (!this.isObject()) this.mismatch('an object');
    return this;
  }

  text(pattern = /^/, wanted = 'a text'): string {
    if (typeof this.value === 'string' && this.value.length <= MAX_TEXT && pattern.test(this.value)) return this.value;
    this.mismatch(wanted);
    return '';
  }

  optionalText(): string | undefined {
    return this.isThere ? this.text() : undefined;
  }

  digest(): Digest {
    if (isDigest(this.value)) return this.value;
    this.mismatch('a digest');
    return ZERO;
  }

  /** From 0 to 2^53: a number that JSON.parse may have rounded is refused too. */
  size(): number {
    const { value } = this;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    this.mismatch('a whole number from 0 to 2^53');
    return 0;
  }

  boolean(): boolean {
    if (typeof this.value === 'boolean') return this.value;
    if (this.isThere) this.mismatch('true or false');
    return false;
  }

  /** Go writes null for an empty list. */
  list(most: number): Field[] {
    if (!this.isThere) return [];
    if (!Array.isArray(this.value)) {
      this.mismatch('a list');
      return [];
    }
    if (this.value.length > most) {
      this.refuse(`has ${this.value.length} items, at most ${most} are allowed`);
      return [];
    }
    return this.value.map((item: unknown, index) => new Field(item, `${this.path}[${index}]`, this.issues));
  }

  texts(most: number): string[] {
    return this.list(most).map((item) => item.text());
  }

  entries(most: number): (readonly [key: string, field: Field])[] {
    if (!this.isThere) return [];
    if (!this.isObject()) {
      this.mismatch('an object');
      return [];
    }
    const keys = Object.keys(this.value as object);
    if (keys.length <= most) return keys.map((key) => [key, this.get(key)] as const);
    this.refuse(`has ${keys.length} members, at most ${most} are allowed`);
    return [];
  }

  textMap(most: number): { readonly [key: string]: string } {
    return Object.fromEntries(this.entries(most).map(([key, field]) => [key, field.text()]));
  }

  /** Throws TsrunError IMAGE_INVALID with everything that was refused. */
  finish(what: string): void {
    if (this.issues.length > 0) throw invalid(what, this.issues);
  }

  private mismatch(wanted: string): void {
    this.refuse(this.value === undefined ? `is missing, it must be ${wanted}` : `${show(this.value)} is not ${wanted}`);
  }
}

export function invalid(what: string, issues: readonly string[], cause?: unknown): TsrunError {
  const shown = issues.slice(0, MAX_SHOWN);
  if (issues.length > MAX_SHOWN) shown.push(`and ${issues.length - MAX_SHOWN} more`);
  return new TsrunError('IMAGE_INVALID', `${what}: ${shown.join('; ')}`, cause === undefined ? {} : { cause });
}

function parseJson(bytes: Uint8Array, what: string): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw invalid(what, ['is not UTF-8'], cause);
  }
  if (tooDeep(text)) throw invalid(what, [`is nested deeper than ${MAX_DEPTH}`]);
  try {
    return JSON.parse(text);
  } catch (cause) {
    const begin = text.trimStart().slice(0, 40);
    throw invalid(what, [`is not JSON; it begins with ${quote(begin)}`], cause);
  }
}

/** A deep document would overflow the stack of whoever walks it. */
function tooDeep(text: string): boolean {
  let depth = 0;
  let inText = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (inText) {
      if (char === 0x5c) at++;
      else if (char === 0x22) inText = false;
    } else if (char === 0x22) inText = true;
    else if (char === 0x7b || char === 0x5b) {
      if (++depth > MAX_DEPTH) return true;
    } else if (char === 0x7d || char === 0x5d) depth--;
  }
  return false;
}
