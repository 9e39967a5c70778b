/**
 * Keys that end an attach and leave the program running: ctrl-p ctrl-q, unless the client names others.
 *
 * Pure.
 */
import { Transform } from 'node:stream';
import { quote } from '../../util/quote.js';
import { badRequest } from '../http/api-error.js';

export const DEFAULT_KEYS = Buffer.from([0x10, 0x11]);
const MOST_KEYS = 32;

const OTHERS: { readonly [name: string]: number } = { '@': 0, '[': 27, '\\': 28, ']': 29, '^': 30, _: 31 };

/** "ctrl-a,x"; empty: the default. Throws ApiError 400. */
export function parseDetachKeys(text: string | undefined): Buffer {
  if (text === undefined || text === '') return DEFAULT_KEYS;
  const keys = text.split(',').map((word) => keyOf(word));
  if (keys.length > MOST_KEYS || keys.includes(undefined))
    throw badRequest(
      `Invalid detach keys (${quote(text, 64)}) provided: single characters or ctrl-X, separated by commas`,
    );
  return Buffer.from(keys.filter((key) => key !== undefined));
}

function keyOf(word: string): number | undefined {
  if (word.length === 1 && word.charCodeAt(0) < 128) return word.charCodeAt(0);
  const [, key = ''] = /^ctrl-(.)$/.exec(word) ?? [];
  if (/^[a-z]$/.test(key)) return key.charCodeAt(0) - 96;
  return OTHERS[key];
}

/** Passes input on, but holds back what may be the beginning of the keys; all of them: detached is called, once. */
export function watchKeys(keys: Buffer, detached: () => void): Transform {
  let matched = 0;
  let over = false;
  const take = (byte: number, passed: number[]) => {
    if (byte !== keys[matched]) {
      passed.push(...keys.subarray(0, matched));
      matched = 0;
    }
    if (byte === keys[matched]) matched++;
    else passed.push(byte);
  };
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const passed: number[] = [];
      for (const byte of chunk) {
        if (over) break;
        take(byte, passed);
        over = matched === keys.length;
      }
      done(null, Buffer.from(passed));
      if (over && matched > 0) detached();
      if (over) matched = 0;
    },
    flush(done) {
      done(null, keys.subarray(0, matched));
    },
  });
}
