/**
 * mounts: what is mounted in a container that runs, and mounting more there. Not in runtime-spec; crun has add and
 * remove. New mounts pass the schema, the rules and the compiler of config.json, as mounts of the container's config.
 */
import { readFileSync } from 'node:fs';
import { compileLiveMounts, compileLiveRemoval, type LiveRecord } from '../compile/live-mounts.js';
import { containerPath } from '../compile/mounts.js';
import { SpecError, StateError, TsrunError } from '../errors.js';
import { type MountRow, parseMountTable } from '../host/parse.js';
import { compileWithLibseccomp } from '../native/seccomp.js';
import { SLOT } from '../plan/op.gen.js';
import { issue } from '../spec/issues.js';
import type { SourceDocument } from '../spec/read.js';
import type { Mount } from '../spec/types.gen.js';
import type { ValidSpec } from '../spec/valid.js';
import { validateConfig } from '../spec/validate.js';
import type { ContainerId } from '../state/container-id.js';
import { corrupt, readStateFileIfThere } from '../state/directory.js';
import { LIVE_MOUNTS_FILE, type LiveMount, liveMountsText, parseLiveMounts } from '../state/live-mounts.js';
import { formatIssue } from '../util/issue.js';
import { pointer } from '../util/pointer.js';
import { warnOf, withPositions } from './bundle.js';
import { readRecord, readRecordDocument } from './container.js';
import { hostFacts, type Runtime, runVerb } from './runtime.js';
import { readState } from './state.js';

export interface ListedMount extends MountRow {
  /** runtime: the root, devices, masked and read-only paths; other: the container's own. */
  readonly origin: 'config' | 'live' | 'runtime' | 'other';
}

/** Tries again when another command has changed the record between reading and locking it. */
const TRIES = 5;

async function retrying(change: () => Promise<void>): Promise<void> {
  for (let left = TRIES; ; left--) {
    try {
      await change();
      return;
    } catch (error) {
      if (left === 0 || !(error instanceof TsrunError) || error.operation?.problem !== 'RECORD_CHANGED') throw error;
    }
  }
}

function readLive(runtime: Runtime, id: ContainerId): { text: string; mounts: readonly LiveMount[] } {
  const text = readStateFileIfThere(runtime.root, id, LIVE_MOUNTS_FILE)?.toString('utf8') ?? '';
  const mounts = parseLiveMounts(text);
  if (typeof mounts === 'string') throw corrupt(id, `${LIVE_MOUNTS_FILE}: ${mounts}`);
  return { text, mounts };
}

/** As its first process sees it. Throws StateError for a container that has stopped. */
async function mountTable(runtime: Runtime, id: ContainerId): Promise<MountRow[]> {
  const { pid, status } = await readState(runtime, id);
  if (status === 'stopped' || pid === 0) {
    throw new StateError(
      'CONTAINER_STATE',
      id,
      `container not running: "${id}"`,
      'only a container that runs has mounts',
    );
  }
  return parseMountTable(readFileSync(`/proc/${pid}/mountinfo`, 'utf8'));
}

/** The record first: what another command adds meanwhile is then in the table, and not taken for gone. */
async function readBoth(runtime: Runtime, id: ContainerId) {
  const live = readLive(runtime, id);
  return { ...live, table: await mountTable(runtime, id) };
}

const rowOf = (table: readonly MountRow[], { id, destination }: LiveMount): MountRow | undefined =>
  id === 0 ? table.findLast((row) => row.destination === destination) : table.find((row) => row.id === id);

export async function listMounts(runtime: Runtime, id: ContainerId): Promise<ListedMount[]> {
  const { spec } = readRecord(runtime, id);
  const { mounts, table } = await readBoth(runtime, id);
  const live = new Set(mounts.map((mount) => rowOf(table, mount)?.id));
  const config = new Set((spec.mounts ?? []).map(({ destination }) => containerPath(destination)));
  const made = new Set(['/', '/dev/console', ...(spec.linux?.maskedPaths ?? []), ...(spec.linux?.readonlyPaths ?? [])]);
  return table.map((row) => {
    const { destination } = row;
    if (live.has(row.id)) return { ...row, origin: 'live' };
    if (config.has(destination)) return { ...row, origin: 'config' };
    return { ...row, origin: made.has(destination) || destination.startsWith('/dev/') ? 'runtime' : 'other' };
  });
}

/** The container's config with these mounts, and the positions of the document that has them. */
function withMounts(runtime: Runtime, id: ContainerId, document: SourceDocument) {
  const { value, bundle } = readRecordDocument(runtime, id);
  const mounts = (document.value as { readonly mounts?: unknown }).mounts;
  const merged: SourceDocument = { ...document, value: { ...(value as object), mounts } };
  const validated = validateConfig(merged);
  const own = validated.warnings.filter(({ path }) => path.startsWith('/mounts'));
  for (const warning of own) runtime.warn(formatIssue(warning, document.name), warning);
  return { spec: validated.value, bundle };
}

/** document: {"mounts": [...]}. Throws SpecError with all problems; then nothing has been mounted. */
export async function addMounts(runtime: Runtime, id: ContainerId, document: SourceDocument): Promise<void> {
  const { spec, bundle } = withMounts(runtime, id, document);
  if ((spec.mounts ?? []).length === 0) return;
  await retrying(async () => {
    const { text: before, mounts, table } = await readBoth(runtime, id);
    const kept = mounts.filter((mount) => rowOf(table, mount) !== undefined);
    const record = recordOf(before, kept, spec);
    const target = { spec, bundle, taken: kept.map(({ destination }) => destination) };
    const compiled = withPositions(document, () =>
      compileLiveMounts(target, record, hostFacts(), { seccomp: compileWithLibseccomp }),
    );
    warnOf(runtime, compiled.warnings, document);
    await runVerb(runtime, { verb: 'mounts', id, plan: compiled.plan });
  });
}

function recordOf(before: string, kept: readonly LiveMount[], { mounts = [] }: ValidSpec): LiveRecord {
  const entry = (mount: Mount, id: number | string) => ({ id, destination: containerPath(mount.destination), mount });
  const text = (id: number | string) => liveMountsText([...kept, ...mounts.map((mount) => entry(mount, id))]);
  return { before, during: text(0), after: text(SLOT.mount) };
}

/** force: those of the config too. Throws SpecError with all that cannot be removed; then nothing has been. */
export async function removeMounts(
  runtime: Runtime,
  id: ContainerId,
  destinations: readonly string[],
  { force }: { readonly force: boolean },
): Promise<void> {
  const { spec } = readRecord(runtime, id);
  const paths = [...new Set(destinations.map(containerPath))];
  await retrying(async () => {
    const { text: before, mounts, table } = await readBoth(runtime, id);
    const found = findAll(runtime, spec, { paths, table, mounts, force });
    const after = liveMountsText(mounts.filter(({ destination }) => !paths.includes(destination)));
    const { plan } = compileLiveRemoval(spec, { before, during: before, after }, found);
    await runVerb(runtime, { verb: 'mounts', id, plan });
  });
}

interface Search {
  readonly paths: readonly string[];
  readonly table: readonly MountRow[];
  readonly mounts: readonly LiveMount[];
  readonly force: boolean;
}

function findAll(runtime: Runtime, spec: ValidSpec, search: Search): MountRow[] {
  const results = search.paths.map((path) => find(spec, path, search));
  const refused = results.flatMap((row, index) =>
    row !== 'refused'
      ? []
      : [
          issue('NOT_A_LIVE_MOUNT', pointer('mounts', index), 'has no live mount', {
            value: search.paths[index],
            hint: search.force
              ? undefined
              : 'tsrun mounts list shows what is there; --force removes mounts of the config too',
          }),
        ],
  );
  if (refused.length > 0) throw new SpecError(refused, 'mounts');
  for (const [index, row] of results.entries()) {
    if (row === 'gone')
      runtime.warn(`the container itself has unmounted ${JSON.stringify(search.paths[index])} already`);
  }
  return results.flatMap((row) => (typeof row === 'string' ? [] : [row]));
}

function find(spec: ValidSpec, path: string, { table, mounts, force }: Search): MountRow | 'gone' | 'refused' {
  const live = mounts.find(({ destination }) => destination === path);
  if (live !== undefined) return rowOf(table, live) ?? 'gone';
  const inConfig = (spec.mounts ?? []).some(({ destination }) => containerPath(destination) === path);
  return (force && inConfig ? table.findLast(({ destination }) => destination === path) : undefined) ?? 'refused';
}
