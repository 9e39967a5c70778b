/**
 * linux.resources.devices to an eBPF program of type BPF_PROG_TYPE_CGROUP_DEVICE, which cgroup v2 has instead of
 * devices.allow and devices.deny. An access is allowed when for each requested bit (mknod, read, write) the last rule
 * that matches the device and holds the bit allows it; where none does, it is denied.
 *
 * OCI runtime-spec, config-linux "Allowed Device list"; bpf(2), struct bpf_cgroup_dev_ctx. Pure.
 */
import type { LinuxDeviceCgroup } from '../spec/types.gen.js';

/** BPF_DEVCG_DEV_* and BPF_DEVCG_ACC_* of linux/bpf.h. */
export const BLOCK = 1;
export const CHAR = 2;
const MKNOD = 1;
const READ = 2;
const WRITE = 4;
const ALL_ACCESS = MKNOD | READ | WRITE;

/** null is a wildcard. */
export interface DeviceRule {
  readonly allow: boolean;
  readonly type: number | null;
  readonly major: number | null;
  readonly minor: number | null;
  readonly access: number;
}

const allowChar = (major: number, minor: number | null): DeviceRule => {
  return { allow: true, type: CHAR, major, minor, access: ALL_ACCESS };
};

/** What every container may use, whatever the config says: runtimes append these, and images count on them. */
const DEFAULT_RULES: readonly DeviceRule[] = [
  { allow: true, type: CHAR, major: null, minor: null, access: MKNOD },
  { allow: true, type: BLOCK, major: null, minor: null, access: MKNOD },
  allowChar(1, 3), // null
  allowChar(1, 8), // random
  allowChar(1, 7), // full
  allowChar(5, 0), // tty
  allowChar(1, 5), // zero
  allowChar(1, 9), // urandom
  allowChar(136, null), // pts/*
  allowChar(5, 2), // ptmx
  allowChar(10, 200), // net/tun
];

/** All rules that count, the defaults among them, in their order. */
export function deviceRules(devices: readonly LinuxDeviceCgroup[]): readonly DeviceRule[] {
  return effectiveRules([...devices.map(parseRule), ...DEFAULT_RULES]);
}

export const isBlock = (rule: DeviceRule): boolean => rule.type === BLOCK;

/** "rwm" and its parts. */
export function rulePermissions({ access }: Pick<DeviceRule, 'access'>): string {
  const letter = (bit: number, of: string) => ((access & bit) === 0 ? '' : of);
  return letter(READ, 'r') + letter(WRITE, 'w') + letter(MKNOD, 'm');
}

/** The program, or null when the rules allow everything. */
export function compileDeviceFilter(devices: readonly LinuxDeviceCgroup[] = []): Uint8Array | null {
  const rules = deviceRules(devices);
  return allowEverything(rules) ? null : assemble(rules);
}

export function allowEverything(rules: readonly DeviceRule[]): boolean {
  return rules[0] !== undefined && isUniversal(rules[0]) && rules.every((rule) => rule.allow);
}

function parseRule(rule: LinuxDeviceCgroup): DeviceRule {
  const [major, minor] = [deviceNumber(rule.major), deviceNumber(rule.minor)];
  return { allow: rule.allow, type: deviceType(rule.type), major, minor, access: accessBits(rule.access) };
}

/** -1 or 0..2^32-1 by a rule of spec/. */
function deviceNumber(value = -1n): number | null {
  return value === -1n ? null : Number(value);
}

function deviceType(type: LinuxDeviceCgroup['type']): number | null {
  if (type === undefined || type === 'a') return null;
  return type === 'b' ? BLOCK : CHAR;
}

function accessBits(access = 'rwm'): number {
  const bit = (letter: string, value: number) => (access.includes(letter) ? value : 0);
  return bit('m', MKNOD) | bit('r', READ) | bit('w', WRITE);
}

export function isUniversal(rule: DeviceRule): boolean {
  return rule.type === null && rule.major === null && rule.minor === null && rule.access === ALL_ACCESS;
}

/** Nothing before the last rule for everything counts; a denial of everything is the default anyway. */
function effectiveRules(rules: readonly DeviceRule[]): readonly DeviceRule[] {
  const last = rules.findLastIndex(isUniversal);
  return rules.slice(rules[last]?.allow === false ? last + 1 : Math.max(last, 0));
}

/** One struct bpf_insn: u8 code, u8 registers (dst in the low half), s16 jump offset, s32 immediate. */
type Instruction = readonly [code: number, registers: number, offset: number, immediate: number];

/** Operations on 32 bit registers; JMP32 is in every kernel since 5.1. */
const LDXW = 0x61;
const MOV = 0xb4;
const MOV_REGISTER = 0xbc;
const AND = 0x54;
const SHIFT_RIGHT = 0x74;
const JUMP = 0x05;
const JUMP_IF_NOT = 0x56;
const JUMP_IF_SET = 0x46;
const EXIT = 0x95;

const RESULT = 0;
const CONTEXT = 1;
const TYPE = 2;
const ACCESS = 3;
const MAJOR = 4;
const MINOR = 5;

const verdict = (allowed: boolean): Instruction[] => [
  [MOV, RESULT, 0, allowed ? 1 : 0],
  [EXIT, 0, 0, 0],
];

/** The context is { u32 access << 16 | type, u32 major, u32 minor }. access(2) with F_OK asks for no bit at all. */
const PROLOGUE: readonly Instruction[] = [
  [LDXW, TYPE | (CONTEXT << 4), 0, 0],
  [MOV_REGISTER, ACCESS | (TYPE << 4), 0, 0],
  [AND, TYPE, 0, 0xffff],
  [SHIFT_RIGHT, ACCESS, 0, 16],
  [LDXW, MAJOR | (CONTEXT << 4), 4, 0],
  [LDXW, MINOR | (CONTEXT << 4), 8, 0],
  [JUMP_IF_NOT, ACCESS, 2, 0],
  ...verdict(true),
];

/**
 * Last rule first: ACCESS holds the bits no later rule has decided, so the first denial of one of them decides, and so
 * does having none left. The verifier refuses unreachable code, so nothing follows a rule for everything.
 */
function assemble(rules: readonly DeviceRule[]): Uint8Array {
  const blocks = rules.toReversed().flatMap(ruleBlock);
  const first = rules[0];
  const end = first !== undefined && isUniversal(first) ? [] : verdict(false);
  return encode([...PROLOGUE, ...blocks, ...end]);
}

function ruleBlock(rule: DeviceRule): Instruction[] {
  const decision = rule.allow ? grant(rule.access) : refuse(rule.access);
  const wanted: (readonly [register: number, value: number | null])[] = [
    [TYPE, rule.type],
    [MAJOR, rule.major],
    [MINOR, rule.minor],
  ];
  const tests = wanted.flatMap(([register, value]) => (value === null ? [] : [{ register, value }]));
  const skips = tests.map(({ register, value }, index): Instruction => {
    return [JUMP_IF_NOT, register, tests.length - index - 1 + decision.length, value | 0];
  });
  return [...skips, ...decision];
}

function grant(access: number): Instruction[] {
  if (access === ALL_ACCESS) return verdict(true);
  return [[AND, ACCESS, 0, ALL_ACCESS & ~access], [JUMP_IF_NOT, ACCESS, 2, 0], ...verdict(true)];
}

function refuse(access: number): Instruction[] {
  if (access === ALL_ACCESS) return verdict(false);
  return [[JUMP_IF_SET, ACCESS, 1, access], [JUMP, 0, 2, 0], ...verdict(false)];
}

function encode(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, [code, registers, offset, immediate]] of instructions.entries()) {
    view.setUint8(index * 8, code);
    view.setUint8(index * 8 + 1, registers);
    view.setInt16(index * 8 + 2, offset, true);
    view.setInt32(index * 8 + 4, immediate, true);
  }
  return bytes;
}
