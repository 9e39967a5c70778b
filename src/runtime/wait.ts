/**
 * wait: until the container's first process has ended, and then how it ended. Who can know, and when nobody can, is in
 * docs/adr/0005-exit-status.md.
 */
import { TsrunError } from '../errors.js';
import { readDocument } from '../spec/read.js';
import type { ContainerId } from '../state/container-id.js';
import { type Runtime, runVerb } from './runtime.js';

/** csrc/executor/exitrecord.h */
export interface ExitRecord {
  readonly id: string;
  readonly pid: number;
  /** 128 + signal for one that a signal ended. */
  readonly exitCode: number;
  readonly signal?: number;
  readonly oomKilled: boolean;
  /** RFC 3339 */
  readonly finished: string;
}

export interface Ended {
  readonly record: ExitRecord;
  /** As the executor printed it: one line. */
  readonly json: string;
}

/** Throws TsrunError EXIT_STATUS_LOST when it ended before and nobody wrote down how. */
export async function waitContainer(runtime: Runtime, id: ContainerId): Promise<Ended> {
  const { stdout } = await runVerb(runtime, { verb: 'wait', id, capture: true });
  const { value } = readDocument(stdout, 'exit record');
  const { exitCode, ...rest } = value as Omit<ExitRecord, 'exitCode'> & { readonly exitCode: unknown };
  const code = Number(exitCode);
  if (!(code >= 0 && code <= 255)) throw new TsrunError('RECORD_CORRUPT', `the exit record of ${id} has no exit code`);
  return { record: { ...rest, exitCode: code }, json: stdout.toString() };
}
