/** config.md, "Linux Process": capabilities, one by one and by set. Requirements are in process.ts. */
import { readFileSync } from 'node:fs';
import { must, STATUS, same, statusLine } from '../harness/check.js';
import { CAPABILITY_NUMBERS, needProblem } from '../harness/host.js';
import type { Lab } from '../harness/lab.js';
import { readText, succeeded } from '../harness/lab.js';
import type { Group, Observation, Script, Seen } from '../harness/model.js';
import type { Area } from '../harness/run.js';

const bit = (name: string): bigint => 1n << BigInt(CAPABILITY_NUMBERS.indexOf(name));
const maskOf = (names: readonly string[]): bigint => names.reduce((sum, name) => sum | bit(name), 0n);
const setOf = ({ answer }: Seen, line: string): bigint => BigInt(`0x${statusLine(answer, line)}`);

const [A, B, C, D, E] = ['CAP_CHOWN', 'CAP_KILL', 'CAP_NET_RAW', 'CAP_SETFCAP', 'CAP_AUDIT_WRITE'] as const;
const PERMITTED = [A, B, C, D];

/** Each set differs from the others. Effective, inheritable and ambient are within permitted: capset(2). */
const SETS = {
  bounding: { line: 'CapBnd', names: [...PERMITTED, E] },
  permitted: { line: 'CapPrm', names: PERMITTED },
  effective: { line: 'CapEff', names: [A, C, D] },
  inheritable: { line: 'CapInh', names: [A, B] },
  ambient: { line: 'CapAmb', names: [A] },
} as const;

/** The sets of a program that execve(2) gives what is ambient, and root everything within the bounding set. */
const nobody = { uid: 1000, gid: 1000 };

const ambient: Group = {
  name: 'ambient capabilities of a user',
  patch: {
    '/process/user': nobody,
    '/process/capabilities': Object.fromEntries(Object.entries(SETS).map(([set, { names }]) => [set, names])),
  },
  observations: [
    sets('bounding', 'CapBnd', SETS.bounding.names),
    sets('inheritable', 'CapInh', SETS.inheritable.names),
    sets('ambient', 'CapAmb', SETS.ambient.names),
    sets('permitted-of-user', 'CapPrm', SETS.ambient.names),
    sets('effective-of-user', 'CapEff', SETS.ambient.names),
  ],
};

const none: Group = {
  name: 'no capabilities',
  patch: { '/process/capabilities': {} },
  observations: Object.entries(SETS).map(([set, { line }]) => sets(`no-${set}`, line, [])),
};

const root: Group = {
  name: 'capabilities of root',
  patch: { '/process/capabilities': { bounding: PERMITTED, permitted: PERMITTED, effective: PERMITTED } },
  observations: [
    sets('permitted', 'CapPrm', PERMITTED),
    sets('effective', 'CapEff', PERMITTED),
    sets('root-inheritable', 'CapInh', []),
    sets('root-ambient', 'CapAmb', []),
  ],
};

function sets(id: string, line: string, names: readonly string[]): Observation {
  return {
    ...{ id: `capabilities.${id}`, requirement: 'process.capabilities', ask: STATUS },
    check: (seen) => same(setOf(seen, line).toString(16), maskOf(names).toString(16), line),
  };
}

/** Half of all in one container, the other half in another: each is there by its name, and its neighbour is not. */
function half(parity: number): Group {
  const names = CAPABILITY_NUMBERS.filter((_, number) => number % 2 === parity);
  const given = names.filter((name) => needProblem(`capability:${name}`) === undefined);
  const kernel = Number(readFileSync('/proc/sys/kernel/cap_last_cap', 'utf8'));
  return {
    name: `capabilities ${parity}`,
    patch: { '/process/capabilities': { bounding: given, permitted: given, effective: given } },
    observations: names.map((name) => ({
      ...{ id: `capabilities.name.${name}`, requirement: 'process.capabilities-names', ask: STATUS },
      needs: [`capability:${name}`],
      check: (seen) => {
        const effective = setOf(seen, 'CapEff');
        const number = CAPABILITY_NUMBERS.indexOf(name);
        must((effective & bit(name)) !== 0n, `${name} is not effective`);
        if (number < kernel)
          must(((effective >> BigInt(number + 1)) & 1n) === 0n, `${CAPABILITY_NUMBERS[number + 1]} is effective too`);
      },
    })),
  };
}

/** Runtimes log to stderr or to the file that --log names; only the first is in the specification's reach. */
const scripts: readonly Script<Lab>[] = [
  {
    ...{ id: 'capabilities.unknown', requirement: 'process.capabilities-unknown' },
    run: async (lab) => {
      await lab.created(['self', STATUS], { '/process/capabilities/bounding/-': 'CAP_UNKNOWN' });
      succeeded(await lab.start(), 'start');
      const answers = await lab.answered();
      must(BigInt(`0x${statusLine(answers[1] ?? {}, 'CapEff')}`) !== 0n, 'the other capabilities are gone');
    },
  },
  {
    ...{ id: 'capabilities.unknown-warning', requirement: 'process.capabilities-warning' },
    run: async (lab) => {
      lab.configure(['self'], { '/process/capabilities/bounding/-': 'CAP_UNKNOWN' });
      const created = await lab.create();
      must(created.status === 0, `create fails: ${created.stderr.trim()}`);
      const started = await lab.start();
      const said = created.stderr + started.stderr + readText(lab.output);
      must(said.includes('CAP_UNKNOWN'), 'nothing is said about CAP_UNKNOWN');
    },
  },
];

export const capabilitiesArea: Area = {
  name: 'capabilities',
  requirements: [],
  groups: [ambient, none, root, half(0), half(1)],
  scripts,
};
