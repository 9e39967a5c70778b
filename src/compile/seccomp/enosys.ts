/**
 * A prologue of classic BPF that answers ENOSYS to system calls newer than any the profile names. A C library tries a
 * new call first and falls back on ENOSYS; the profile's EPERM, written before the call existed, would break it.
 *
 * It stands before the exported program: jumps of classic BPF are relative and forward, so the program is not touched.
 * seccomp(2), struct seccomp_data; linux/filter.h. Pure.
 */
import { ACTIONS, ARCHITECTURES } from './tables.js';

const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL = 0x15;
const JUMP_GREATER = 0x25;
const JUMP_NOT_LESS = 0x35;
const RETURN = 0x06;

/** Offsets in struct seccomp_data. */
const NUMBER = 0;
const ARCHITECTURE = 4;

const ENOSYS = 38;
const X32_BIT = 0x40000000;

/** Numbers from here on are not in the line of the kernel's common ones: those of x32, and ARM's private calls. */
const SEPARATE_FROM: ReadonlyMap<number, number> = new Map([
  [ARCHITECTURES.SCMP_ARCH_X86_64, X32_BIT],
  [ARCHITECTURES.SCMP_ARCH_ARM, 0x0f0000],
]);

type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, k: number];
type Target = 'next' | 'enosys' | 'program';
type Draft = { readonly code: number; readonly ifTrue?: Target; readonly ifFalse?: Target; readonly k: number };

export interface HighestNumber {
  readonly architecture: number;
  readonly number: number;
}

/** Whether the default lets a system call happen that nobody named; then nothing may refuse it either. */
export function deniesByDefault(defaultAction: number): boolean {
  const action = (defaultAction & 0xffff0000) >>> 0;
  const denials = [ACTIONS.SCMP_ACT_KILL, ACTIONS.SCMP_ACT_KILL_PROCESS, ACTIONS.SCMP_ACT_TRAP, ACTIONS.SCMP_ACT_ERRNO];
  return denials.some(({ value }) => value === action) && defaultAction !== ACTIONS.SCMP_ACT_ERRNO.value + ENOSYS;
}

/** The bytes to put before the program; empty when the default action makes them pointless. */
export function enosysPrologue(defaultAction: number, highest: readonly HighestNumber[]): Uint8Array {
  const known = highest.filter(({ number }) => number >= 0);
  if (!deniesByDefault(defaultAction) || known.length === 0) return new Uint8Array(0);
  const x32 = known.find(({ architecture }) => architecture === ARCHITECTURES.SCMP_ARCH_X32);
  const sections = known.filter((entry) => entry !== x32).map((entry) => section(entry, x32));
  return encode(place(sections));
}

/** For one architecture. x32 shares that of x86_64; its numbers are above the bit, so x86_64's fall through to `own`. */
function section({ architecture, number }: HighestNumber, x32: HighestNumber | undefined): Draft[] {
  const drafts: Draft[] = [...heading(architecture), { code: LOAD, k: NUMBER }];
  if (architecture === ARCHITECTURES.SCMP_ARCH_X86_64 && x32 !== undefined) {
    drafts.push({ code: JUMP_GREATER, ifTrue: 'enosys', k: x32.number });
  }
  const separate = SEPARATE_FROM.get(architecture);
  if (separate !== undefined) drafts.push({ code: JUMP_NOT_LESS, ifTrue: 'program', k: separate });
  drafts.push({ code: JUMP_GREATER, ifTrue: 'enosys', ifFalse: 'program', k: number });
  return drafts;
}

function heading(architecture: number): Draft[] {
  return [
    { code: LOAD, k: ARCHITECTURE },
    { code: JUMP_EQUAL, k: architecture },
  ];
}

/** Turns targets into distances. After the sections comes the return of ENOSYS, then the program. */
function place(sections: readonly (readonly Draft[])[]): Instruction[] {
  const total = sections.reduce((sum, drafts) => sum + drafts.length, 0);
  const placed: Instruction[] = [];
  for (const drafts of sections) {
    const end = placed.length + drafts.length;
    for (const draft of drafts) {
      const after = placed.length + 1;
      const distance = { next: 0, enosys: total - after, program: total + 1 - after };
      // Not this architecture: to the next section; none of them: the program knows what to do.
      const past = end === total ? distance.program : end - after;
      const otherwise = draft.code === JUMP_EQUAL ? past : distance[draft.ifFalse ?? 'next'];
      placed.push([draft.code, distance[draft.ifTrue ?? 'next'], otherwise, draft.k]);
    }
  }
  return [...placed, [RETURN, 0, 0, ACTIONS.SCMP_ACT_ERRNO.value + ENOSYS]];
}

/** struct sock_filter: u16 code, u8 jt, u8 jf, u32 k. */
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
