/**
 * Joins the filters of several architectures into one classic BPF program, and answers ENOSYS to system calls newer than
 * any the profile names: a C library tries a new call first and falls back on ENOSYS, but the profile's EPERM, written
 * before the call existed, would break it.
 *
 * Layout: a table of jumps by architecture, then for each one its own prologue and filter, all untouched because jumps
 * of classic BPF are relative and forward. seccomp(2), struct seccomp_data; linux/filter.h. Pure.
 */
import type { SeccompProgram } from '../../util/seccomp.js';
import { ACTIONS, ARCHITECTURES } from './tables.js';

const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP = 0x05;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER = 0x25;
const JUMP_NOT_LESS = 0x35;
const RETURN = 0x06;

/** Offsets in struct seccomp_data. */
const NUMBER = 0;
const ARCHITECTURE = 4;

const ENOSYS = 38;
const RETURN_ENOSYS: Instruction = [RETURN, 0, 0, ACTIONS.SCMP_ACT_ERRNO.value + ENOSYS];
const X32_BIT = 0x40000000;

/** Numbers from here on are not in the line of the kernel's common ones: those of x32, and ARM's private calls. */
const SEPARATE_FROM: ReadonlyMap<number, number> = new Map([
  [ARCHITECTURES.SCMP_ARCH_X86_64, X32_BIT],
  [ARCHITECTURES.SCMP_ARCH_ARM, 0x0f0000],
]);

/** struct sock_filter: code, distances if true and if false, k. */
type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, k: number];

/** The first program is the native one: its way through the table is the shortest. */
export function joinPrograms(defaultAction: number, programs: readonly SeccompProgram[]): Uint8Array {
  const blocks = programs.map((program) => ({ ...program, bytes: block(program, deniesByDefault(defaultAction)) }));
  const starts: number[] = [];
  let size = 0;
  for (const { bytes } of blocks) {
    starts.push(size);
    size += bytes.length / 8;
  }
  const table = jumpTable(programs, starts);
  return Buffer.concat([encode(table), ...blocks.map(({ bytes }) => bytes)]);
}

/** Whether an unnamed call is refused, other than by ENOSYS; where it happens, a new one must happen too. */
export function deniesByDefault(defaultAction: number): boolean {
  const action = (defaultAction & 0xffff0000) >>> 0;
  const denials = [ACTIONS.SCMP_ACT_KILL, ACTIONS.SCMP_ACT_KILL_PROCESS, ACTIONS.SCMP_ACT_TRAP, ACTIONS.SCMP_ACT_ERRNO];
  return denials.some(({ value }) => value === action) && defaultAction !== RETURN_ENOSYS[3];
}

/** An architecture without a program kills, as libseccomp has it. */
function jumpTable(programs: readonly SeccompProgram[], starts: readonly number[]): Instruction[] {
  const x32 = programs.findIndex(({ architecture }) => architecture === ARCHITECTURES.SCMP_ARCH_X32);
  const entries = programs.flatMap(({ architecture }, index) => (index === x32 ? [] : [{ architecture, index }]));
  const sizes = entries.map(({ architecture }) =>
    architecture === ARCHITECTURES.SCMP_ARCH_X86_64 && x32 >= 0 ? 5 : 2,
  );
  const total = 1 + sizes.reduce((sum, size) => sum + size, 0) + 1;
  const table: Instruction[] = [[LOAD, 0, 0, ARCHITECTURE]];
  const jumpTo = (program: number) => table.push([JUMP, 0, 0, total - table.length - 1 + (starts[program] ?? 0)]);
  for (const [entry, { architecture, index }] of entries.entries()) {
    const size = sizes[entry] ?? 2;
    table.push([JUMP_EQUAL, 0, size - 1, architecture]);
    if (size === 5) {
      // x32 is x86_64 with a bit in the number.
      table.push([LOAD, 0, 0, NUMBER], [JUMP_NOT_LESS, 0, 1, X32_BIT]);
      jumpTo(x32);
    }
    jumpTo(index);
  }
  table.push([RETURN, 0, 0, ACTIONS.SCMP_ACT_KILL_THREAD.value]);
  return table;
}

function block({ architecture, filter, highest }: SeccompProgram, enosys: boolean): Uint8Array {
  if (!enosys || highest < 0) return filter;
  const separate = architecture === ARCHITECTURES.SCMP_ARCH_X32 ? undefined : SEPARATE_FROM.get(architecture);
  const skip: Instruction[] = separate === undefined ? [] : [[JUMP_NOT_LESS, 2, 0, separate]];
  const prologue: Instruction[] = [[LOAD, 0, 0, NUMBER], ...skip, [JUMP_GREATER, 0, 1, highest >>> 0], RETURN_ENOSYS];
  return Buffer.concat([encode(prologue), filter]);
}

/** u16 code, u8 jt, u8 jf, u32 k. */
function encode(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, [code, ifTrue, ifFalse, k]] of instructions.entries()) {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, ifTrue);
    view.setUint8(index * 8 + 3, ifFalse);
    view.setUint32(index * 8 + 4, k, true);
  }
  return bytes;
}
