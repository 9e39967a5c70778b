// The hosts of the golden cases: host.json names one and changes what the case is about.
import type { CompileServices } from '../../src/compile/services.js';
import type { HostFacts } from '../../src/host/facts.js';
import { HYBRID, hostFacts, LEGACY, NO_CGROUP2, SYSTEMD, UNIFIED, USER_SYSTEMD } from '../helpers/facts.js';

const CGROUPS = { unified: UNIFIED, hybrid: HYBRID, legacy: LEGACY, none: NO_CGROUP2 } as const;
const MANAGERS = { system: SYSTEMD, user: USER_SYSTEMD, none: null } as const;

/** {"cgroups": "hybrid", "capabilities": "0x3fdfeffff", "hardLimits": {"RLIMIT_NOFILE": "1024"}, …}: 64-bit numbers as text. */
export function goldenHost(json: { readonly [key: string]: unknown }): HostFacts {
  const { cgroups = 'unified', systemd = 'system', capabilities, hardLimits, ...rest } = json;
  const cgroup = CGROUPS[cgroups as keyof typeof CGROUPS];
  return hostFacts({
    cgroup,
    // The system's manager may hand on all that cgroup2 has.
    systemd: systemd === 'system' ? { ...SYSTEMD, controllers: cgroup.controllers } : MANAGERS[systemd as keyof typeof MANAGERS],
    ...rest,
    ...(capabilities === undefined ? {} : { capabilities: BigInt(capabilities as string) }),
    ...(hardLimits === undefined ? {} : { hardLimits: wide(hardLimits as { [name: string]: string }) }),
  });
}

function wide(limits: { readonly [name: string]: string }): { [name: string]: bigint } {
  return Object.fromEntries(Object.entries(limits).map(([name, value]) => [name, BigInt(value)]));
}

/** Instead of libseccomp: a filter of as many instructions as the profile has rules, and one for the default. */
export const countingServices: CompileServices = {
  seccomp: ({ rules, architectures }) => ({
    ok: true,
    programs: [{ architecture: architectures[0] ?? 0, filter: new Uint8Array((rules.length + 1) * 8), highest: -1 }],
    unknown: [],
  }),
};
