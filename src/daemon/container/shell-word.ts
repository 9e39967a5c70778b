/**
 * Words of a Dockerfile as its reference has them ("Environment replacement", "ENV"): quotes and backslashes are taken
 * away and variables replaced in one go, so that what a variable holds is never read as a quote.
 *
 * Pure.
 */
import { quote } from '../../util/quote.js';
import { refuse } from './options/refuse.js';

export type Values = ReadonlyMap<string, string>;

const NAME = /[\p{L}_][\p{L}\p{Nd}_]*|\d+|[@*#?!-]/uy;

/** instruction: for messages. Throws TsrunError REQUEST_INVALID for quotes and braces without an end. */
export function shellWord(text: string, values: Values, instruction: string): string {
  return new Reader(text, values, instruction).upTo(undefined);
}

class Reader {
  readonly #text: string;
  readonly #values: Values;
  readonly #instruction: string;
  #at = 0;

  constructor(text: string, values: Values, instruction: string) {
    this.#text = text;
    this.#values = values;
    this.#instruction = instruction;
  }

  #fail(why: string): never {
    throw refuse(`${this.#instruction} ${quote(this.#text, 64)}: ${why}`);
  }

  /** end: the sign that ends it, which is passed over; undefined: the end of the text. */
  upTo(end: string | undefined): string {
    let made = '';
    for (;;) {
      const sign = this.#text[this.#at];
      if (sign === undefined) return end === undefined ? made : this.#fail(`the "${end}" that ends it is missing`);
      this.#at++;
      if (sign === end) return made;
      if (sign === "'") made += this.#single();
      else if (sign === '"') made += this.#double();
      else if (sign === '\\') made += this.#text[this.#at++] ?? '';
      else if (sign === '$') made += this.#variable();
      else made += sign;
    }
  }

  #single(): string {
    const end = this.#text.indexOf("'", this.#at);
    if (end < 0) this.#fail('a single quote has no end: write it in double quotes or behind a backslash');
    const made = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return made;
  }

  /** A backslash is one here unless it stands before what means something. */
  #double(): string {
    let made = '';
    for (;;) {
      const sign = this.#text[this.#at++];
      if (sign === undefined) return this.#fail('a double quote has no end');
      if (sign === '"') return made;
      if (sign === '$') made += this.#variable();
      else if (sign === '\\' && /["$\\]/.test(this.#text[this.#at] ?? '')) made += this.#text[this.#at++];
      else made += sign;
    }
  }

  #name(): string {
    NAME.lastIndex = this.#at;
    const [name = ''] = NAME.exec(this.#text) ?? [];
    this.#at += name.length;
    return name;
  }

  #variable(): string {
    if (this.#text[this.#at] === '{') return this.#braced();
    const name = this.#name();
    return name === '' ? '$' : (this.#values.get(name) ?? '');
  }

  /** ${NAME}, and ${NAME:-if empty}, ${NAME:+if not}, ${NAME:?or fail}; without the colon: if not there. */
  #braced(): string {
    this.#at++;
    const name = this.#name();
    if (name === '') this.#fail('bad substitution');
    const found = this.#values.get(name);
    const sign = this.#text[this.#at++];
    if (sign === '}') return found ?? '';
    const how = sign === ':' ? this.#text[this.#at++] : sign;
    if (how === undefined || !'-+?'.includes(how))
      this.#fail(`\${${name} is not followed by "}", or one of "-", "+" and "?"`);
    const word = this.upTo('}');
    const given = sign === ':' ? found !== undefined && found !== '' : found !== undefined;
    if (how === '+') return given ? word : '';
    if (given) return found ?? '';
    return how === '-' ? word : this.#fail(`${name} is not set${word === '' ? '' : `: ${word}`}`);
  }
}

/** Split where a space is outside of quotes; these are still as they were written. */
export function splitWords(text: string): string[] {
  return text.match(/(?:"(?:\\(?:.|$)|[^"\\])*(?:"|$)|'(?:\\(?:.|$)|[^'\\])*(?:'|$)|\\(?:.|$)|[^\s"'\\])+/gsu) ?? [];
}
