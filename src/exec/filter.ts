/**
 * What a seccomp filter says to a system call: runs its classic BPF program as the kernel would. An argument that is
 * not known makes every comparison with it go both ways, so that there may be several answers.
 *
 * seccomp(2), struct seccomp_data; linux/filter.h. Pure.
 */

export interface SeccompData {
  readonly number: number;
  /** AUDIT_ARCH_* */
  readonly architecture: number;
  /** All that the filter may look at beside the two; undefined where they are not known. */
  readonly args?: readonly bigint[] | undefined;
}

const ARGS = 16;

/** Where the program is, and what it has loaded: undefined is a value that is not known. */
interface State {
  readonly pc: number;
  readonly accumulator: number | undefined;
}

interface Instruction {
  readonly code: number;
  readonly ifTrue: number;
  readonly ifFalse: number;
  readonly k: number;
}

type Condition = (accumulator: number, k: number) => boolean;

/** BPF_JMP with BPF_K: BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET. */
const CONDITIONS: ReadonlyMap<number, Condition> = new Map<number, Condition>([
  [0x15, (accumulator, k) => accumulator === k],
  [0x25, (accumulator, k) => accumulator > k],
  [0x35, (accumulator, k) => accumulator >= k],
  [0x45, (accumulator, k) => (accumulator & k) !== 0],
]);
const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP = 0x05;
const RETURN = 0x06;

/** The SECCOMP_RET_* values it may end with. Throws on an instruction that neither libseccomp nor our own code emits. */
export function filterResults(program: Uint8Array, data: SeccompData): ReadonlySet<number> {
  const results = new Set<number>();
  const seen = new Set<string>();
  const open: State[] = [{ pc: 0, accumulator: 0 }];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    const key = `${state.pc} ${state.accumulator}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const instruction = decode(program, state.pc);
    if (instruction.code === RETURN) results.add(instruction.k);
    else open.push(...step(state, instruction, data));
  }
  return results;
}

function decode(program: Uint8Array, pc: number): Instruction {
  if ((pc + 1) * 8 > program.length) throw new RangeError('ran past the end');
  const view = new DataView(program.buffer, program.byteOffset + pc * 8, 8);
  return {
    code: view.getUint16(0, true),
    ifTrue: view.getUint8(2),
    ifFalse: view.getUint8(3),
    k: view.getUint32(4, true),
  };
}

/** The states after it: two where a condition is about something not known. Jumps are forward, so this ends. */
function step({ pc, accumulator }: State, { code, ifTrue, ifFalse, k }: Instruction, data: SeccompData): State[] {
  const next = pc + 1;
  if (code === LOAD) return [{ pc: next, accumulator: load(k, data) }];
  if (code === AND) return [{ pc: next, accumulator: accumulator === undefined ? undefined : (accumulator & k) >>> 0 }];
  if (code === JUMP) return [{ pc: next + k, accumulator }];
  const condition = CONDITIONS.get(code);
  if (condition === undefined) throw new RangeError(`instruction ${pc}: code ${code}`);
  const ways = accumulator === undefined ? [ifTrue, ifFalse] : [condition(accumulator, k) ? ifTrue : ifFalse];
  return ways.map((distance) => ({ pc: next + distance, accumulator }));
}

/** A word of struct seccomp_data. */
function load(offset: number, { number, architecture, args }: SeccompData): number | undefined {
  if (offset === 0) return number;
  if (offset === 4) return architecture;
  if (args === undefined) return undefined;
  if (offset < ARGS) return 0; // the instruction pointer
  const value = args[Math.floor((offset - ARGS) / 8)] ?? 0n;
  return Number(BigInt.asUintN(32, offset % 8 === 0 ? value : value >> 32n));
}
