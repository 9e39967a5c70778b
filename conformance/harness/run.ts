/**
 * Runs areas: observations of a group share one container, unless the runtime refuses their common configuration; then
 * halves of it are tried, so that only the case at fault fails. Refusals and scripts have a container each.
 */
import { must } from './check.js';
import { needProblem } from './host.js';
import { type Bench, Lab, refused, succeeded } from './lab.js';
import { allPids, findLeaks, lastingLeaks } from './leaks.js';
import {
  type Answer,
  CannotRun,
  type Group,
  type Need,
  type Observation,
  type Patch,
  type Refusal,
  type Requirement,
  type Result,
  type Script,
  Skipped,
  Unmet,
} from './model.js';
import { fill } from './patch.js';

export interface Area {
  readonly name: string;
  readonly requirements: readonly Requirement[];
  readonly groups?: readonly Group[];
  readonly scripts?: readonly Script<Lab>[];
}

type Case = Observation | Refusal | Script<Lab>;
export type OnResult = (result: Result) => void;

export function casesOf(area: Area): readonly Case[] {
  const grouped = (area.groups ?? []).flatMap((group) => [...(group.observations ?? []), ...(group.refusals ?? [])]);
  return [...grouped, ...(area.scripts ?? [])];
}

export interface RunOptions {
  readonly wants: (id: string) => boolean;
  /** Containers at a time. */
  readonly jobs: number;
  readonly onResult: OnResult;
  /** A result that nothing is to be run after. */
  readonly until?: (result: Result) => boolean;
}

/** Runs what `wants` accepts. */
export async function runAreas(bench: Bench, areas: readonly Area[], options: RunOptions): Promise<void> {
  const { wants, until } = options;
  let isOver = false;
  const onResult: OnResult = (result) => {
    isOver ||= until?.(result) === true;
    options.onResult(result);
  };
  const tasks: (() => Promise<void>)[] = [];
  for (const area of areas) {
    for (const group of area.groups ?? []) tasks.push(...groupTasks(bench, group, wants, onResult));
    for (const script of (area.scripts ?? []).filter(({ id }) => wants(id)))
      tasks.push(() => single(bench, script, [], onResult, (lab) => script.run(lab)));
  }
  const worker = async (): Promise<void> => {
    for (let task = tasks.shift(); task !== undefined && !isOver; task = tasks.shift()) await task();
  };
  // One that cannot go on is the end of all, but each undoes what it has begun.
  const workers = Array.from({ length: options.jobs }, () =>
    worker().catch((error: unknown) => {
      isOver = true;
      throw error;
    }),
  );
  for (const end of await Promise.allSettled(workers)) if (end.status === 'rejected') throw end.reason;
}

function groupTasks(bench: Bench, group: Group, wants: (id: string) => boolean, onResult: OnResult) {
  const observations = (group.observations ?? []).filter(({ id }) => wants(id));
  const able = observations.filter((one) => !skip(one, group.needs ?? [], onResult));
  const refusals = (group.refusals ?? []).filter(({ id }) => wants(id));
  const tasks = refusals.map(
    (one) => () => single(bench, one, group.needs ?? [], onResult, (lab) => refuse(lab, group, one)),
  );
  if (able.length > 0) tasks.push(() => observe(bench, group, able, onResult));
  return tasks;
}

function skip(one: Case, needs: readonly Need[], onResult: OnResult): boolean {
  const problems = [...needs, ...(one.needs ?? [])].map(needProblem).filter((text) => text !== undefined);
  if (problems.length === 0) return false;
  onResult({ ...naming(one), status: 'skipped', detail: problems.join(', ') });
  return true;
}

const naming = ({ id, requirement }: Case) => ({ id, requirement });

async function single(
  bench: Bench,
  one: Case,
  needs: readonly Need[],
  onResult: OnResult,
  run: (lab: Lab) => Promise<void>,
): Promise<void> {
  if (skip(one, needs, onResult)) return;
  const lab = new Lab(bench);
  try {
    onResult({ ...naming(one), ...(await judge(() => run(lab))) });
  } finally {
    await lab.close();
  }
}

async function judge(run: () => Promise<void> | void): Promise<Pick<Result, 'status' | 'detail'>> {
  try {
    await run();
    return { status: 'passed', detail: '' };
  } catch (error) {
    if (error instanceof Skipped) return { status: 'skipped', detail: error.message };
    if (error instanceof Unmet) return { status: 'failed', detail: error.message };
    if (error instanceof CannotRun) throw error;
    return { status: 'failed', detail: `the case itself failed: ${error instanceof Error ? error.stack : error}` };
  }
}

/** runtime.md, "Errors": as if the operation had never been tried. Create may refuse, or start, or the program never runs. */
async function refuse(lab: Lab, group: Group, one: Refusal): Promise<void> {
  prepare(lab, group);
  lab.configure(['self'], group.patch, one.patch);
  const known = allPids();
  const before = findLeaks([lab.id], known);
  const created = await lab.create();
  must(created.status !== 124, 'create does not end');
  if (created.status === 0) {
    const started = await lab.start();
    must(started.status !== 0 || one.atDelete === true, 'neither create nor start is an error');
    if (started.status !== 0) return;
    await lab.ended();
    must((await lab.delete()).status !== 0, 'neither create nor start nor delete is an error');
    return;
  }
  const state = await lab.run('state', lab.id);
  if (state.status === 0) lab.undo(() => lab.run('delete', '--force', lab.id));
  refused(state, 'state of a container whose create failed');
  const left = await lastingLeaks(() => findLeaks([lab.id], known).filter((leak) => !before.includes(leak)));
  must(left.length === 0, `create failed and left: ${left.join('; ')}`);
}

/** What the host cannot do is no fault of the runtime. */
function prepare(lab: Lab, group: Group): void {
  try {
    lab.undo(group.prepare?.(lab));
  } catch (error) {
    throw new Skipped(`the host could not prepare it: ${error instanceof Error ? error.message.trim() : error}`);
  }
}

async function observe(bench: Bench, group: Group, observations: readonly Observation[], onResult: OnResult) {
  const seen = await answersOf(bench, group, observations);
  if (!(seen instanceof Error)) {
    for (const one of observations) onResult({ ...naming(one), ...(await judge(() => seen.check(one))) });
    return seen.close();
  }
  const atFault = observations.length === 1 || !observations.some(({ patch }) => patch !== undefined);
  if (atFault || seen instanceof Skipped) {
    const status = seen instanceof Skipped ? 'skipped' : 'failed';
    for (const one of observations) onResult({ ...naming(one), status, detail: seen.message });
    return;
  }
  const middle = Math.ceil(observations.length / 2);
  await observe(bench, group, observations.slice(0, middle), onResult);
  await observe(bench, group, observations.slice(middle), onResult);
}

interface Observed {
  check(one: Observation): void;
  close(): Promise<void>;
}

/** What the container of these observations answered, or why there is none. */
async function answersOf(
  bench: Bench,
  group: Group,
  observations: readonly Observation[],
): Promise<Observed | Unmet | Skipped> {
  const lab = new Lab(bench);
  const asks = [...new Set(observations.flatMap(({ ask }) => ask))];
  const patches: (Patch | undefined)[] = [group.patch, ...observations.map(({ patch }) => patch)];
  try {
    prepare(lab, group);
    await lab.created(asks, ...patches);
    const pid = lab.pid;
    succeeded(await lab.start(), 'start');
    const lines = await lab.answered();
    const answers = new Map<string, Answer>(asks.map((ask, index) => [ask, lines[index] ?? { missing: true }]));
    return { check: (one) => check(one, answers, lab, pid), close: () => lab.close() };
  } catch (error) {
    await lab.close();
    if (error instanceof Unmet || error instanceof Skipped) return error;
    throw error;
  }
}

function check(one: Observation, all: ReadonlyMap<string, Answer>, lab: Lab, pid: number): void {
  const asks = typeof one.ask === 'string' ? [one.ask] : one.ask;
  const answers = asks.map((ask) => all.get(ask) ?? {});
  const [answer = {}] = answers;
  const missing = asks.filter((_, index) => answers[index]?.['missing'] === true);
  must(missing.length === 0, `the program did not come to answer "${missing[0]}"`);
  for (const [name, wanted] of Object.entries(one.want ?? {})) {
    const actual = answer[name];
    const expected = typeof wanted === 'string' ? fill(wanted, lab) : wanted;
    const equal = JSON.stringify(actual) === JSON.stringify(expected);
    must(
      equal,
      `${asks[0]}: ${name} is ${JSON.stringify(actual)} in ${JSON.stringify(answer).slice(0, 300)}, expected ${JSON.stringify(expected)}`,
    );
  }
  const { dir, bundle, rootfs, id } = lab;
  one.check?.({ dir, bundle, rootfs, id, answers, answer, pid });
}
