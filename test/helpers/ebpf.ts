// Runs the programs of src/compile/device-filter.ts as the kernel would: the few eBPF instructions they are made of.

export interface DeviceAccess {
  readonly type: number;
  readonly major: number;
  readonly minor: number;
  readonly access: number;
}

/** r0 at exit. Throws on what the verifier refuses: leaving the program, an unknown instruction, unreachable code. */
export function runDeviceFilter(program: Uint8Array, asked: DeviceAccess): number {
  const view = new DataView(program.buffer, program.byteOffset, program.length);
  const context: { [offset: number]: number } = {
    0: ((asked.access << 16) | asked.type) >>> 0,
    4: asked.major,
    8: asked.minor,
  };
  const registers = new Uint32Array(11);
  const at = (index: number) => registers[index] ?? 0;
  for (let pc = 0; pc * 8 < program.length; pc++) {
    const code = view.getUint8(pc * 8);
    const dst = view.getUint8(pc * 8 + 1) & 15;
    const src = view.getUint8(pc * 8 + 1) >> 4;
    const offset = view.getInt16(pc * 8 + 2, true);
    const immediate = view.getInt32(pc * 8 + 4, true) >>> 0;
    if (code === 0x61) registers[dst] = context[offset] ?? 0;
    else if (code === 0xb4) registers[dst] = immediate;
    else if (code === 0xbc) registers[dst] = at(src);
    else if (code === 0x54) registers[dst] = at(dst) & immediate;
    else if (code === 0x74) registers[dst] = at(dst) >>> immediate;
    else if (code === 0x05) pc += offset;
    else if (code === 0x56) pc += at(dst) === immediate ? 0 : offset;
    else if (code === 0x46) pc += (at(dst) & immediate) === 0 ? 0 : offset;
    else if (code === 0x95) return at(0);
    else throw new Error(`instruction ${pc}: code ${code}`);
  }
  throw new Error('ran past the end');
}
