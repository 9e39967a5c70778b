/**
 * A container that exists, as its state directory tells: the config it was created with and the cgroup it was given.
 */
import { SpecError } from '../errors.js';
import { decodePlan } from '../plan/decode.js';
import { readDocument, type SourceDocument } from '../spec/read.js';
import type { ValidSpec } from '../spec/valid.js';
import { validateConfig } from '../spec/validate.js';
import type { ContainerId } from '../state/container-id.js';
import { corrupt, readStateFile } from '../state/directory.js';
import { type ContainerRecord, parseRecord } from '../state/record.js';
import { formatIssue } from '../util/issue.js';
import { asPointer } from '../util/pointer.js';
import type { Runtime } from './runtime.js';

export interface Container {
  readonly id: ContainerId;
  readonly bundle: string;
  readonly spec: ValidSpec;
  /** The path may hold the slot of the id. */
  readonly cgroup: { readonly mount: string; readonly path: string } | null;
  /** The scope that systemd made for it. */
  readonly unit: string | null;
}

/** The config inside state.json as a document of its own, with the positions in state.json. */
function configDocument(document: SourceDocument, record: ContainerRecord): SourceDocument {
  return {
    name: document.name,
    value: record.config,
    locate: (path) => document.locate(asPointer(`/config${path}`)),
  };
}

/** What create was given. Throws like readContainer. */
export function readRecord(runtime: Runtime, id: ContainerId): { bundle: string; spec: ValidSpec; systemd: boolean } {
  const bytes = readStateFile(runtime.root, id, 'state.json');
  try {
    const document = readDocument(bytes, 'state.json');
    const record = parseRecord(document.value);
    if (typeof record === 'string') throw corrupt(id, `state.json: ${record}`);
    const { bundle, systemd } = record;
    return { bundle, systemd, spec: validateConfig(configDocument(document, record)).value };
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw corrupt(id, error.issues.map((issue) => formatIssue(issue, 'state.json')).join('; '), error);
  }
}

/** The plan knows which cgroup create or systemd made; nobody has to compute it a second time. */
function readPlanned(runtime: Runtime, id: ContainerId): Pick<Container, 'cgroup' | 'unit'> {
  const bytes = readStateFile(runtime.root, id, 'plan');
  try {
    const { setup, settle } = decodePlan(bytes).lists;
    const made = [...setup, ...settle].flatMap((op) =>
      op.op === 'CGROUP_CREATE' || op.op === 'CGROUP_ADOPT' ? [{ mount: op.mount, path: op.path }] : [],
    );
    const units = settle.flatMap((op) => (op.op === 'SYSTEMD_START_UNIT' ? [op.unit] : []));
    return { cgroup: made[0] ?? null, unit: units[0] ?? null };
  } catch (error) {
    throw corrupt(id, `plan: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

/** Throws StateError for one that does not exist, TsrunError RECORD_CORRUPT for one that cannot be read. */
export function readContainer(runtime: Runtime, id: ContainerId): Container {
  return { id, ...readRecord(runtime, id), ...readPlanned(runtime, id) };
}
