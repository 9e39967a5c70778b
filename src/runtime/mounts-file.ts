/**
 * The file of `tsrun mounts add` and `remove`: an array of mounts as in config.json, or an object that has one as
 * "mounts". Bytes to a document {"mounts": [...]} with the positions of the file.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { SpecError, TsrunError } from '../errors.js';
import { MAX_BYTES, readDocument, type SourceDocument } from '../spec/read.js';
import { readHostFile } from '../util/file.js';
import { asPointer } from '../util/pointer.js';

const PREFIX = Buffer.from('{"mounts":\n');
const SUFFIX = Buffer.from('\n}');

/** path: absolute, or "-" for standard input. hint: for a file that cannot be read. */
export function readMountsFile(path: string, hint?: string): SourceDocument {
  const name = path === '-' ? 'standard input' : basename(path);
  const bytes = path === '-' ? readFileSync(0) : readFile(path, hint);
  return /^\s*\[/.test(bytes.toString('latin1', 0, 64)) ? fromArray(bytes, name) : checked(readDocument(bytes, name));
}

function readFile(path: string, hint: string | undefined): Buffer {
  try {
    return readHostFile(path, 'file', { max: MAX_BYTES });
  } catch (error) {
    if (!(error instanceof TsrunError)) throw error;
    throw new TsrunError(error.code, error.message, { cause: error, hint });
  }
}

/** One line more in front than the file has. */
function fromArray(bytes: Buffer, name: string): SourceDocument {
  const document = readDocument(Buffer.concat([PREFIX, bytes, SUFFIX]), name);
  return {
    ...document,
    locate: (path) => {
      const found = document.locate(path);
      return found === undefined ? undefined : { ...found, line: Math.max(1, found.line - 1) };
    },
  };
}

function checked(document: SourceDocument): SourceDocument {
  if (Object.hasOwn(document.value as object, 'mounts')) return document;
  const message = 'is required: the file is an array of mounts, or an object with one';
  throw new SpecError([{ code: 'REQUIRED', path: asPointer('/mounts'), message, line: 1, column: 1 }], document.name);
}

/** The destinations that a document names, for remove; whatever else it says. Throws SpecError. */
export function destinationsOf({ value, name }: SourceDocument): string[] {
  const { mounts } = value as { readonly mounts: unknown };
  const list: unknown[] = Array.isArray(mounts) ? mounts : [];
  const found = list.flatMap((mount) => {
    const destination =
      typeof mount === 'object' && mount !== null && 'destination' in mount ? mount.destination : mount;
    return typeof destination === 'string' ? [destination] : [];
  });
  if (found.length > 0 && found.length === list.length) return found;
  const message = 'must be an array of mounts, each with its destination';
  throw new SpecError([{ code: 'WRONG_TYPE', path: asPointer('/mounts'), message }], name);
}
