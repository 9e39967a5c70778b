/**
 * Firewalls of others in whose way our packets come: what one table accepts another may drop (docs/adr/0014). Tables of
 * iptables-legacy are not among nft's, and not seen.
 *
 * Pure.
 */

interface Chain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook?: string;
  readonly policy?: string;
}

const FAMILIES = ['ip', 'ip6', 'inet'];

/** text: of `nft -j list chains`, libnftables-json(5). Chains at the hook forward that drop what they do not accept. */
export function closedForwards(text: string): string[] {
  const { nftables } = JSON.parse(text) as { readonly nftables: readonly { readonly chain?: Chain }[] };
  return nftables.flatMap(({ chain }) => {
    if (chain?.hook !== 'forward' || chain.policy !== 'drop' || !FAMILIES.includes(chain.family)) return [];
    return [`${chain.family} ${chain.table} ${chain.name}`];
  });
}

export function forwardWarning(chains: readonly string[]): string {
  const which = chains.map((chain) => `"${chain}"`).join(', ');
  return `the nftables chain ${which} has the policy drop: published ports and the way out of containers stay closed until it accepts 'ct status dnat' and what comes from the bridges`;
}
