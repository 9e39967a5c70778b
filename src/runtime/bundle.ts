/**
 * A bundle on disk to a validated config: runtime-spec bundle.md. config.json is read once, so that later edits have no
 * effect, and only as a regular file of bounded size.
 */
import { statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { SpecError, type SpecIssue, TsrunError, UsageError } from '../errors.js';
import { placed } from '../spec/issues.js';
import { MAX_BYTES, readDocument, type SourceDocument } from '../spec/read.js';
import type { Reading, ValidSpec } from '../spec/valid.js';
import { validateConfig } from '../spec/validate.js';
import { describeSystemError } from '../util/errno.js';
import { readHostFile } from '../util/file.js';
import { formatIssue } from '../util/issue.js';
import { quote } from '../util/quote.js';
import type { Runtime } from './runtime.js';
import { traced } from './span.js';

const CONFIG = 'config.json';

export interface Bundle {
  /** Absolute path of the bundle directory. */
  readonly path: string;
  readonly spec: ValidSpec;
  readonly document: SourceDocument;
  /** Of config.json. */
  readonly bytes: Buffer;
}

/** argument: what named the path. */
function checkDirectory(path: string, argument: string): void {
  try {
    if (statSync(path).isDirectory()) return;
  } catch (error) {
    throw new UsageError(`${argument}: ${quote(path)}: ${describeSystemError(error)}`, argument);
  }
  throw new UsageError(`${argument}: ${quote(path)} is not a directory`, argument);
}

function readConfig(path: string, name: string): Buffer {
  try {
    return readHostFile(join(path, name), name, { max: MAX_BYTES });
  } catch (error) {
    const code =
      error instanceof TsrunError && error.cause instanceof Error && 'code' in error.cause ? error.cause.code : '';
    if (code !== 'ENOENT') throw error;
    throw new TsrunError('IO', `JSON specification file config.json not found in ${quote(path)}`, {
      cause: error,
      hint: '"tsrun spec" writes one to start from; --bundle names another directory',
    });
  }
}

export function warnOf(runtime: Runtime, issues: readonly SpecIssue[], document: SourceDocument): void {
  for (const issue of placed(issues, document)) runtime.warn(formatIssue(issue, document.name), issue);
}

/** Compilers know no positions in the document: adds them to what they refuse. */
export function withPositions<T>(document: SourceDocument, compile: () => T): T {
  try {
    return compile();
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw new SpecError(placed(error.issues, document), document.name, placed(error.warnings, document));
  }
}

/** path: absolute. Throws SpecError with all problems of config.json. */
export function readBundle(runtime: Runtime, path: string): Bundle {
  checkDirectory(path, '--bundle');
  return readNamed(runtime, path, CONFIG, {});
}

function readNamed(runtime: Runtime, path: string, name: string, reading: Reading): Bundle {
  const { bytes, document } = traced(runtime, `read ${name}`, () => {
    const config = readConfig(path, name);
    return { bytes: config, document: readDocument(config, name) };
  });
  const { value, warnings } = traced(runtime, 'validate', () => validateConfig(document, reading));
  for (const issue of warnings) runtime.warn(formatIssue(issue, document.name), issue);
  return { path, spec: value, document, bytes };
}

/** The same for a config of any name, whose directory is the bundle. */
export function readBundleOrConfig(runtime: Runtime, path: string, reading: Reading = {}): Bundle {
  const isConfig = statSync(path, { throwIfNoEntry: false })?.isDirectory() === false;
  if (isConfig) return readNamed(runtime, dirname(path), basename(path), reading);
  checkDirectory(path, 'bundle');
  return readNamed(runtime, path, CONFIG, reading);
}
