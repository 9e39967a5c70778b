/**
 * After a compile that the launcher had to ask for: the answer goes into the plan cache, so that the next create of this
 * bundle, or of one that differs in what the compiler does not look into, needs no Node; exec of a process likewise
 * (docs/adr/0007).
 */
import { readFileSync, statSync } from 'node:fs';
import { derive, NotCacheable, type Source } from '../cache/derive.js';
import { encodeEntry, type Witness } from '../cache/entry.js';
import type { Question } from '../cache/question.js';
import { storeEntry } from '../cache/store.js';
import { EXECUTOR_PATH } from '../exec/executor.js';
import type { HostFacts } from '../host/facts.js';
import type { Runtime } from './runtime.js';

const refuse = (): never => {
  throw new NotCacheable();
};

/** Those that the launcher's text of the host says nothing about throw. */
function coveredFacts(facts: HostFacts, unsaid: Compiled['unsaid']): HostFacts {
  return Object.defineProperties({ ...facts }, Object.fromEntries(unsaid.map((name) => [name, { get: refuse }])));
}

/** A runtime that compiles in silence, or not at all. */
export interface Quiet {
  readonly runtime: Runtime;
  readonly facts: HostFacts;
}

/** What was compiled. It is kept only if the question ends in the very bytes that it was compiled from. */
export interface Compiled {
  readonly facts: HostFacts;
  /** What the question does not tell of them. */
  readonly unsaid: readonly ('systemd' | 'resctrl')[];
  readonly source: (quiet: Quiet) => Source;
}

/** Whether there is an entry now. It is no error when there is none: only the next time is slower. */
export function remember(runtime: Runtime, question: Question, compiled: Compiled): boolean {
  const { facts, unsaid, source } = compiled;
  const quiet = { ...runtime, warn: refuse, tracer: undefined };
  try {
    const made = source({ runtime: quiet, facts: coveredFacts(facts, unsaid) });
    const rest = Buffer.from(made.parts.map(({ text }) => text).join(''));
    if (!question.text.subarray(-rest.length).equals(rest)) return false;
    const derived = derive(question.text.subarray(0, -rest.length).toString('utf8'), made);
    if (derived === undefined) return false;
    return storeEntry(question.directory, question.name, encodeEntry({ ...derived, witnesses: witnesses() }));
  } catch (error) {
    runtime.debug(`the plan is not cached: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

/** The code that compiled, and that will run the plan: ours, and libseccomp, where the kernel says they are. */
function witnesses(): Witness[] {
  const maps = readFileSync('/proc/self/maps', 'utf8');
  const libraries = new Set(maps.match(/\/\S*(?:libseccomp|tsrun\.node)\S*$/gm) ?? []);
  const [, script = ''] = process.argv;
  return [script, EXECUTOR_PATH, ...libraries].map((path) => {
    const { dev, ino, size, mtimeNs: mtime, ctimeNs: ctime } = statSync(path, { bigint: true });
    return { path, dev, ino, size, mtime, ctime };
  });
}
