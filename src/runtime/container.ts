/**
 * A container that exists, as its state directory tells: the config it was created with and the cgroups it was given.
 */
import type { CgroupPlace } from '../compile/cgroup.js';
import { plannedBy } from '../compile/exec.js';
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
  /** One per hierarchy; none when it shares the runtime's. The paths may hold the slot of the id. */
  readonly cgroups: readonly CgroupPlace[];
  /** The scope that systemd made for it. */
  readonly unit: string | null;
  /** Whether its first process joined a session keyring of its own: not with --no-new-keyring. */
  readonly ownKeyring: boolean;
}

/** The config inside state.json as a document of its own, with the positions in state.json. */
function configDocument(document: SourceDocument, record: ContainerRecord): SourceDocument {
  return {
    name: document.name,
    value: record.config,
    locate: (path) => document.locate(asPointer(`/config${path}`)),
  };
}

interface Record {
  readonly bundle: string;
  readonly spec: ValidSpec;
  readonly systemd: boolean;
}

/** What create was given. Throws like readContainer. */
export function readRecord(runtime: Runtime, id: ContainerId): Record {
  return parseState(id, readStateFile(runtime.root, id, 'state.json'));
}

/** bytes: of state.json. Throws TsrunError RECORD_CORRUPT. */
export function parseState(id: ContainerId, bytes: Buffer): Record {
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

/** The config as an unchecked value, to be validated together with something else. */
export function readRecordDocument(runtime: Runtime, id: ContainerId): { bundle: string; value: unknown } {
  const record = parseRecord(readDocument(readStateFile(runtime.root, id, 'state.json'), 'state.json').value);
  if (typeof record === 'string') throw corrupt(id, `state.json: ${record}`);
  return { bundle: record.bundle, value: record.config };
}

function readPlanned(runtime: Runtime, id: ContainerId): Pick<Container, 'cgroups' | 'unit' | 'ownKeyring'> {
  const bytes = readStateFile(runtime.root, id, 'plan');
  try {
    return plannedBy(decodePlan(bytes).lists);
  } catch (error) {
    throw corrupt(id, `plan: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

/** Throws StateError for one that does not exist, TsrunError RECORD_CORRUPT for one that cannot be read. */
export function readContainer(runtime: Runtime, id: ContainerId): Container {
  return { id, ...readRecord(runtime, id), ...readPlanned(runtime, id) };
}
