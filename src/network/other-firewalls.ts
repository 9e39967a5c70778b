/**
 * Looks for firewalls of others that shut containers out, and warns of each change: it is no error, as the firewall is its
 * owner's. Those of nftables are looked at when the rule set has changed; iptables-legacy changes nothing there, so that
 * its policy is looked at when ours is loaded, and now and then, where it has a table at all.
 */
import { readFile } from 'node:fs/promises';
import type { FirewallOptions } from './firewall.js';
import { closedForwards, forwardWarning, isLegacyForwardClosed, legacyWarning } from './foreign-firewall.js';

/** Runs a program in the namespace of the firewall; its output. */
type Run = (program: string, args: readonly string[]) => Promise<string>;

export interface OtherFirewalls {
  /** Our table was loaded. */
  loaded(): void;
  /** Something in the rule set of nftables changed. */
  changed(): void;
  close(): void;
}

const LEGACY_MS = 10_000;
const LEGACY = [
  { family: 'iptables', names: '/proc/net/ip_tables_names' },
  { family: 'ip6tables', names: '/proc/net/ip6_tables_names' },
] as const;

export function watchOthers({ log, netns }: Pick<FirewallOptions, 'log' | 'netns'>, run: Run): OtherFirewalls {
  const said = new Map<string, string>();
  let [looked, loaded] = [false, false];
  /** closed: what is, in a form that can be compared; empty: nothing. */
  const tell = (kind: string, closed: string, warning: () => string): void => {
    if (closed !== '' && said.get(kind) !== closed) log('warn', warning());
    said.set(kind, closed);
  };
  const lookAtNft = async (): Promise<void> => {
    looked = true;
    const text = await run('nft', ['-j', 'list', 'chains']).catch(() => ''); // an nft without JSON
    const chains = text === '' ? [] : closedForwards(text);
    tell('nft', chains.join(), () => forwardWarning(chains));
  };
  const lookAtLegacy = async (): Promise<void> => {
    for (const { family, names } of LEGACY) {
      const tables = await (netns === '' ? readFile(names, 'utf8') : run('cat', [names])).catch(() => ''); // no module
      const closed = /^filter$/m.test(tables) && (await isLegacyClosed(run, family));
      tell(family, closed ? 'DROP' : '', () => legacyWarning(family));
    }
  };
  const timer = setInterval(() => {
    if (loaded) void lookAtLegacy();
  }, LEGACY_MS).unref();
  return {
    loaded() {
      loaded = true;
      if (!looked) void lookAtNft();
      void lookAtLegacy();
    },
    changed: () => void lookAtNft(),
    close: () => clearInterval(timer),
  };
}

/** Of a table that is there: the tool would make one. It has the second name where it has no brother for nftables. */
async function isLegacyClosed(run: Run, family: string): Promise<boolean> {
  for (const tool of [`${family}-legacy-save`, `${family}-save`]) {
    const text = await run(tool, ['-t', 'filter']).catch(() => undefined);
    if (text !== undefined) return isLegacyForwardClosed(text);
  }
  return false;
}
