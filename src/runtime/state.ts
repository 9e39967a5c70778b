/**
 * state: the container's OCI state. runtime-spec runtime.md, "Query State". What the status is, the executor computes.
 */
import { TsrunError } from '../errors.js';
import { readDocument } from '../spec/read.js';
import type { ContainerId } from '../state/container-id.js';
import { type Runtime, runVerb } from './runtime.js';

/** Prints the JSON to stdout. */
export async function printState(runtime: Runtime, id: ContainerId): Promise<void> {
  await runVerb(runtime, { verb: 'state', id });
}

export interface ContainerState {
  readonly ociVersion: string;
  readonly id: string;
  readonly pid: number;
  readonly status: string;
  readonly bundle: string;
  readonly rootfs: string;
  readonly created: string;
  readonly annotations?: { readonly [key: string]: string };
}

export async function readState(runtime: Runtime, id: ContainerId): Promise<ContainerState> {
  const { stdout } = await runVerb(runtime, { verb: 'state', id, capture: true });
  const { value } = readDocument(stdout, 'state');
  // Our own executor printed it; the fields are those of stateJson in compile/.
  const state = value as ContainerState;
  if (typeof state.status !== 'string')
    throw new TsrunError('RECORD_CORRUPT', `the executor printed no state for ${id}`);
  return { ...state, pid: Number(state.pid) };
}
