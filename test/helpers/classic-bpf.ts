// Runs seccomp filters as the kernel would: the classic BPF instructions that libseccomp and our prologue use.

export interface SeccompData {
  readonly number: number;
  readonly architecture: number;
  readonly args?: readonly bigint[];
}

/** The SECCOMP_RET_* value. Throws on an instruction that seccomp does not take and on a jump out of the program. */
export function runFilter(program: Uint8Array, { number, architecture, args = [] }: SeccompData): number {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, architecture, true);
  for (const [index, arg] of args.entries()) data.setBigUint64(16 + index * 8, arg, true);
  const view = new DataView(program.buffer, program.byteOffset, program.length);
  let accumulator = 0;
  for (let pc = 0; pc * 8 < program.length; pc++) {
    const code = view.getUint16(pc * 8, true);
    const [ifTrue, ifFalse] = [view.getUint8(pc * 8 + 2), view.getUint8(pc * 8 + 3)];
    const k = view.getUint32(pc * 8 + 4, true);
    const jump = (condition: boolean) => (condition ? ifTrue : ifFalse);
    if (code === 0x20) accumulator = data.getUint32(k, true);
    else if (code === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (code === 0x05) pc += k;
    else if (code === 0x15) pc += jump(accumulator === k);
    else if (code === 0x25) pc += jump(accumulator > k);
    else if (code === 0x35) pc += jump(accumulator >= k);
    else if (code === 0x45) pc += jump((accumulator & k) !== 0);
    else if (code === 0x06) return k;
    else throw new Error(`instruction ${pc}: code ${code}`);
  }
  throw new Error('ran past the end');
}
