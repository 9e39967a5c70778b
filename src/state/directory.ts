/**
 * The root directory as TypeScript sees it: the static files of a container. Which there are, and what their status is,
 * only the executor's verbs `list` and `state` say.
 */
import { closeSync, constants, lstatSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { StateError, TsrunError } from '../errors.js';
import { describeSystemError } from '../util/errno.js';
import { readHostFile } from '../util/file.js';
import { quote } from '../util/quote.js';
import type { ContainerId } from './container-id.js';

const MAX_FILE = 64 * 1024 * 1024;

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** A file of the state directory: "state.json", "plan". */
export function readStateFile(root: string, id: ContainerId, name: string): Buffer {
  try {
    lstatSync(join(root, id));
  } catch (error) {
    if (isMissing(error)) throw new StateError('CONTAINER_NOT_FOUND', id, `container does not exist: ${quote(id)}`);
    throw new TsrunError('IO', `--root: ${quote(root)}: ${describeSystemError(error)}`, { cause: error });
  }
  try {
    return readHostFile(join(root, id, name), name, { max: MAX_FILE, nofollow: true });
  } catch (error) {
    throw corrupt(id, error instanceof Error ? error.message : String(error), error);
  }
}

/** The same for a file that need not be there. */
export function readStateFileIfThere(root: string, id: ContainerId, name: string): Buffer | undefined {
  try {
    return readStateFile(root, id, name);
  } catch (error) {
    const { cause } = error instanceof TsrunError ? error : {};
    const missing = cause instanceof TsrunError && isMissing(cause.cause);
    if (missing) return undefined;
    throw error;
  }
}

/** Replaces a file of the state directory: temporary file, rename. Throws TsrunError IO. */
export function writeStateFile(root: string, id: ContainerId, name: string, bytes: Uint8Array): void {
  const temporary = join(root, id, `.${name}.mend`);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
  try {
    const fd = openSync(temporary, flags, 0o600);
    try {
      writeSync(fd, bytes);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, join(root, id, name));
  } catch (error) {
    throw new TsrunError('IO', `${name} of container ${quote(id)}: ${describeSystemError(error)}`, { cause: error });
  }
}

export function corrupt(id: string, reason: string, cause?: unknown): TsrunError {
  return new TsrunError('RECORD_CORRUPT', `the state of container ${quote(id)} cannot be read: ${reason}`, {
    cause,
    hint: 'tsrun delete --force removes what is left of it',
  });
}
