/**
 * Where the time of a command goes (`--trace FILE`): spans of this process, and of every op the executor ran, from the
 * timestamps it kept (csrc/executor/trace.h). Both read CLOCK_MONOTONIC, so that one timeline holds them.
 *
 * The result is Chrome's trace event format, which Perfetto (ui.perfetto.dev) and chrome://tracing open.
 */
import { closeSync, fstatSync, ftruncateSync, readSync, writeSync } from 'node:fs';
import { addon } from '../native/addon.js';
import { LISTS, type ListName, OP_SHAPES, type Op, TRACE } from '../plan/op.gen.js';
import type { Plan } from '../plan/plan.js';
import { opText } from '../plan/text.js';

const MAGIC = 0x43525354;
const HEADER = 32;
const RECORD = 32;
/** Marks, and ops that run twice: those of undo. */
const SPARE_RECORDS = 256;

export interface TraceRecord {
  /** undefined for a mark, whose code is one of TRACE. */
  readonly list: ListName | undefined;
  readonly index: number;
  readonly code: number;
  readonly role: number;
  /** Nanoseconds of CLOCK_MONOTONIC; end is 0 where it never came. */
  readonly start: bigint;
  readonly end: bigint;
}

/** Chrome's complete event ("X"), or the name of a process or thread ("M"). Times in microseconds. */
export interface TraceEvent {
  readonly name: string;
  readonly ph: 'X' | 'M';
  readonly pid: number;
  readonly tid: number;
  readonly cat?: string;
  readonly ts?: number;
  readonly dur?: number;
  readonly args?: { readonly [name: string]: unknown };
}

interface Span {
  readonly name: string;
  readonly start: bigint;
  readonly end: bigint;
}

interface Run {
  readonly verb: string;
  readonly fd: number;
  readonly plan: Plan | undefined;
}

/** Reads as many whole records as there are, whatever the count in the header says. */
export function decodeTrace(bytes: Buffer): TraceRecord[] {
  if (bytes.length < HEADER || bytes.readUInt32LE(0) !== MAGIC) return [];
  const count = Math.min(bytes.readUInt32LE(8), Math.floor((bytes.length - HEADER) / RECORD));
  return Array.from({ length: count }, (_, i) => {
    const at = HEADER + i * RECORD;
    return {
      list: LISTS[bytes.readUInt32LE(at)],
      index: bytes.readUInt32LE(at + 4),
      code: bytes.readUInt32LE(at + 8),
      role: bytes.readUInt32LE(at + 12),
      start: bytes.readBigUInt64LE(at + 16),
      end: bytes.readBigUInt64LE(at + 24),
    };
  });
}

export class Trace {
  readonly #spans: Span[] = [];
  readonly #runs: Run[] = [];

  constructor(readonly command: string) {}

  /** Runs step as a span of this process. */
  span<T>(name: string, step: () => T): T {
    const start = process.hrtime.bigint();
    try {
      return step();
    } finally {
      this.#spans.push({ name, start, end: process.hrtime.bigint() });
    }
  }

  async spanAsync<T>(name: string, step: () => Promise<T>): Promise<T> {
    const start = process.hrtime.bigint();
    try {
      return await step();
    } finally {
      this.#spans.push({ name, start, end: process.hrtime.bigint() });
    }
  }

  /** The memfd for --trace-fd of one call of the executor; it stays open until the events are taken. */
  open(verb: string, plan: Plan | undefined): number {
    const ops = plan === undefined ? 0 : LISTS.reduce((sum, list) => sum + plan.lists[list].length, 0);
    const capacity = 2 * ops + SPARE_RECORDS;
    const fd = addon().memfd('tsrun-trace');
    const header = Buffer.alloc(HEADER);
    header.writeUInt32LE(MAGIC, 0);
    header.writeUInt32LE(capacity, 4);
    ftruncateSync(fd, HEADER + capacity * RECORD);
    writeSync(fd, header, 0, HEADER, 0);
    this.#runs.push({ verb, fd, plan });
    return fd;
  }

  /** Everything up to now. Nothing can be traced afterwards. */
  events(): TraceEvent[] {
    const now = process.hrtime.bigint();
    const started = now - BigInt(Math.round(performance.now() * 1e6));
    const build = new Timeline(started, this.command);
    const { bootstrapComplete } = performance.nodeTiming;
    const ready = started + BigInt(Math.round(Math.max(0, bootstrapComplete) * 1e6));
    build.track(NODE_TRACK, 'tsrun (Node)');
    build.add(NODE_TRACK, { name: `tsrun ${this.command}`, start: started, end: now }, 'node');
    build.add(NODE_TRACK, { name: 'start Node', start: started, end: ready }, 'node');
    const first = this.#spans.reduce((least, { start }) => (start < least ? start : least), now);
    build.add(NODE_TRACK, { name: 'load tsrun, read the command line', start: ready, end: first }, 'node');
    for (const span of this.#spans) build.add(NODE_TRACK, span, 'node');
    this.#runs.forEach((run, index) => {
      addRun(build, run, NODE_TRACK + 1 + index * TRACKS_PER_RUN, now);
      closeSync(run.fd);
    });
    this.#runs.length = 0;
    return build.events;
  }
}

const NODE_TRACK = 1;
/** As many as there are roles: executor, stage, init. */
const TRACKS_PER_RUN = 3;
const ROLES = ['executor, on the host', 'stage, which joins namespaces', 'first process of the container'] as const;
const INIT = 2;

class Timeline {
  readonly events: TraceEvent[];

  constructor(
    private readonly origin: bigint,
    command: string,
  ) {
    this.events = [{ name: 'process_name', ph: 'M', pid: 1, tid: 0, args: { name: `tsrun ${command}` } }];
  }

  track(tid: number, name: string): void {
    this.events.push({ name: 'thread_name', ph: 'M', pid: 1, tid, args: { name } });
    this.events.push({ name: 'thread_sort_index', ph: 'M', pid: 1, tid, args: { sort_index: tid } });
  }

  add(tid: number, { name, start, end }: Span, cat: string, args: TraceEvent['args'] = {}): void {
    const ts = Number(start - this.origin) / 1000;
    this.events.push({ name, ph: 'X', cat, pid: 1, tid, ts, dur: Number(end - start) / 1000, args });
  }
}

/** What lies between a mark and the one before it. */
const MARKS: { readonly [mark: number]: string } = {
  [TRACE.STARTED]: 'seal a copy of the executor and run it',
  [TRACE.RUNNING]: 'close what was leaked in',
  [TRACE.LOADED]: 'load and verify the plan',
  [TRACE.RELEASED]: 'let the first process go on, until it is the program',
  [TRACE.KILLED]: 'end the first process',
};

function readAll(fd: number): Buffer {
  const bytes = Buffer.alloc(fstatSync(fd).size);
  return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0));
}

function addRun(build: Timeline, run: Run, firstTrack: number, now: bigint): void {
  const records = decodeTrace(readAll(run.fd));
  for (const role of new Set(records.map((record) => record.role))) {
    const own = records.filter((record) => record.role === role);
    const track = firstTrack + role;
    build.track(track, `${run.verb}: ${ROLES[role] ?? role}`);
    const shift = role === INIT ? clockShift(records, own) : 0n;
    addMarks(build, track, own);
    for (const record of own) if (record.list !== undefined) addOp(build, track, run, record, shift, now);
  }
}

/** time_namespaces(7): in a time namespace the first process reads another clock; what it does first follows CLONE. */
function clockShift(all: readonly TraceRecord[], own: readonly TraceRecord[]): bigint {
  const clone = all.find(({ list, code }) => list === 'spawn' && code === OP_SHAPES.CLONE.code);
  const [first] = own;
  if (clone === undefined || first === undefined) return 0n;
  const late = first.start - clone.start;
  return late >= 0n && late < 10_000_000_000n ? 0n : -late;
}

function addMarks(build: Timeline, track: number, records: readonly TraceRecord[]): void {
  const marks = records.filter(({ list }) => list === undefined);
  marks.forEach((mark, index) => {
    const before = marks[index - 1];
    const name = MARKS[mark.code];
    if (before !== undefined && name !== undefined) {
      build.add(track, { name, start: before.start, end: mark.start }, 'executor');
    }
  });
}

const NEVER_ENDS = ['EXEC', 'SECCOMP'];
const WAITS = ['AWAIT', 'WAIT_START'];

function opOf({ plan }: Run, { list, index, code }: TraceRecord): Op | undefined {
  const op = list === undefined ? undefined : plan?.lists[list][index];
  return op !== undefined && OP_SHAPES[op.op].code === code ? op : undefined;
}

function addOp(build: Timeline, track: number, run: Run, record: TraceRecord, shift: bigint, now: bigint): void {
  const op = opOf(run, record);
  const start = record.start + shift;
  const name = op?.op ?? nameOf(record.code);
  const finished = record.end !== 0n;
  // Of EXEC nobody can tell the end, of SECCOMP nobody may; anything else goes on still.
  const end = finished ? record.end + shift : NEVER_ENDS.includes(name) ? start : now;
  const what = op === undefined ? {} : { what: opText(op), ...(op.origin === '' ? {} : { field: op.origin }) };
  const args = { ...what, list: record.list, index: record.index, ...(finished ? {} : { unfinished: true }) };
  build.add(track, { name, start, end }, WAITS.includes(name) ? 'wait' : (record.list ?? 'executor'), args);
}

function nameOf(code: number): string {
  return Object.entries(OP_SHAPES).find(([, shape]) => shape.code === code)?.[0] ?? `op ${code}`;
}
