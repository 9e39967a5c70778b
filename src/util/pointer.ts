/**
 * JSON pointers (RFC 6901): how an op, a failure or a refusal names the config field it comes from.
 * Flags use the same channel and are written as on the command line: `--pid-file`.
 *
 * Pure.
 */
declare const brand: unique symbol;
export type JsonPointer = string & { readonly [brand]: 'JsonPointer' };

/** pointer('mounts', 3, 'source') is `/mounts/3/source`; `~` and `/` in a key are escaped. */
export function pointer(...tokens: readonly (string | number)[]): JsonPointer {
  return tokens.map((token) => `/${String(token).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('') as JsonPointer;
}

/** A pointer that is already written out, as in generated code or on the command line. */
export function asPointer(text: string): JsonPointer {
  return text as JsonPointer;
}

/** append(pointer('mounts'), 3) is `/mounts/3`. */
export function append(base: JsonPointer, ...tokens: readonly (string | number)[]): JsonPointer {
  return (base + pointer(...tokens)) as JsonPointer;
}
