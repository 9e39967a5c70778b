/**
 * Container ids: one path component below the root directory, so what may be in one is a matter of security (a container
 * id used as a path was a hole in crun and buildkit). Every entry point parses the id before anything else.
 *
 * Pure.
 */
import { UsageError } from '../errors.js';
import { quote } from '../util/quote.js';

declare const brand: unique symbol;
export type ContainerId = string & { readonly [brand]: 'ContainerId' };

// As runc, but no leading dot (hidden files) and no leading dash (options).
const FORMAT = /^[A-Za-z0-9_+][A-Za-z0-9_+.-]*$/;

/** NAME_MAX of the state directory's file system. */
const MAX_LENGTH = 255;

const WANTED = 'letters, digits, "_", "+", ".", "-", not starting with "." or "-", at most 255 characters';

/** True for names that tsrun may have made a state directory of. */
export function isContainerId(text: string): text is ContainerId {
  return text.length <= MAX_LENGTH && FORMAT.test(text);
}

export function parseContainerId(text: string): ContainerId {
  if (text === '') throw new UsageError('container id cannot be empty', 'ID');
  if (!isContainerId(text)) {
    throw new UsageError(`container id ${quote(text, 64)}: invalid container ID format`, 'ID', `an id is ${WANTED}`);
  }
  return text;
}
