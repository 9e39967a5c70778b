/**
 * Keeps the table of rules.ts in the kernel: whoever changes something waits until the table with it is loaded, and
 * changes that come while nft runs are loaded together. Something that took the table away (`nft flush ruleset`, a
 * firewall that reloads) is noticed by the generation of the rule set, and the table comes back.
 */
import { execFile } from 'node:child_process';
import { NetworkError } from './errors.js';
import { NETLINK_NETFILTER, Netlink } from './netlink/socket.js';
import { watchOthers } from './other-firewalls.js';

export interface Firewall {
  /** Loads the rules as they are now. Throws NETWORK_FAILED with nft's words; the old table is then still there. */
  apply(): Promise<void>;
  close(): void;
}

export interface FirewallOptions {
  readonly table: string;
  /** Where the namespace that it is for is bound; '' is our own. */
  readonly netns: string;
  /** The rules as they should be now. */
  readonly rules: () => string;
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void;
}

/** A check costs some 20 microseconds. */
const CHECK_MS = 250;
const LOAD_ATTEMPTS = 10;
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_GETGEN = 16;
/** nfgenmsg: family, version, resource. */
const NFGENMSG = Buffer.alloc(4);
const NFT_TIMEOUT_MS = 30_000;
/** nft lists what it loaded; a table of thousands of ports is a few hundred kilobytes. */
const NFT_OUTPUT_MAX = 64 << 20;

export function openFirewall(options: FirewallOptions): Firewall {
  const netlink = new Netlink(options.netns, NETLINK_NETFILTER);
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  /** The table as nft shows it after our last change, and the generation of the rule set then. */
  let known = { generation: -1, listing: '' };
  let closed = false;
  const others = watchOthers(options, (program, args) => run(program, args, undefined, options.netns));

  const load = async (): Promise<void> => {
    for (let attempt = 1; ; attempt++) {
      const rules = options.rules();
      await nft(rules, options.netns);
      known = { generation: generation(netlink), listing: await listing(options) };
      // Taken away again before we looked: nothing would tell the next check.
      if (known.listing !== '' || !rules.includes('chain ')) {
        others.loaded();
        return;
      }
      if (attempt === LOAD_ATTEMPTS) throw gone(options.table);
    }
  };
  const apply = (): Promise<void> => {
    if (running === undefined) {
      running = load().finally(() => {
        running = undefined;
      });
      return running;
    }
    // One that has not begun yet will load what is asked for now.
    next ??= running.then(noop, noop).then(() => {
      next = undefined;
      return apply();
    });
    return next;
  };
  const check = async (): Promise<void> => {
    if (closed || running !== undefined || known.generation < 0) return;
    const now = generation(netlink);
    if (now === known.generation) return;
    others.changed();
    if ((await listing(options)) === known.listing) {
      known = { ...known, generation: now };
      return;
    }
    options.log('warn', `somebody changed the nftables table ${options.table}: it is loaded again`);
    await apply();
  };
  const failed = (error: unknown) => options.log('error', `nftables table ${options.table}: ${String(error)}`);
  const timer = setInterval(() => void check().catch(failed), CHECK_MS).unref();
  return {
    apply,
    close: () => {
      closed = true;
      clearInterval(timer);
      others.close();
      netlink.close();
    },
  };
}

function noop(): void {}

/** Changes with every transaction of anybody. */
function generation(netlink: Netlink): number {
  const type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN;
  const answer = netlink.get('read the generation of the nftables rules', type, NFGENMSG, []);
  // nfgenmsg, then one attribute: NFTA_GEN_ID, in network order.
  return answer === undefined || answer.payload.length < 12 ? 0 : answer.payload.readUInt32BE(8);
}

/** Without counters and handles; empty where there is no table. */
async function listing({ table, netns }: FirewallOptions): Promise<string> {
  return run('nft', ['-s', 'list', 'table', 'inet', table], undefined, netns).catch(() => '');
}

/** Throws NETWORK_FAILED. */
export async function nft(rules: string, netns: string): Promise<void> {
  await run('nft', ['-f', '-'], rules, netns);
}

/** netns: where a namespace is bound; '' is our own. nft has no flag for it, and a child of Node's starts in Node's namespace. */
function run(tool: string, args: readonly string[], input: string | undefined, netns: string): Promise<string> {
  const [program, all] = netns === '' ? [tool, args] : ['nsenter', [`--net=${netns}`, tool, ...args]];
  const options = { timeout: NFT_TIMEOUT_MS, maxBuffer: NFT_OUTPUT_MAX, env: { PATH: process.env['PATH'] ?? '' } };
  return new Promise((resolve, reject) => {
    const child = execFile(program, all, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(nftError(error, stderr));
    });
    child.stdin?.on('error', noop); // nft that ends early says why by itself
    child.stdin?.end(input ?? '');
  });
}

function gone(table: string): NetworkError {
  return new NetworkError('NETWORK_FAILED', `nftables: the table ${table} is gone each time it was loaded`, {
    hint: 'something else deletes it: look with nft monitor',
  });
}

function nftError(error: Error & { readonly code?: unknown }, stderr: string): NetworkError {
  if (error.code === 'ENOENT')
    return new NetworkError('NETWORK_FAILED', 'nftables: the program nft is not installed', {
      hint: 'install the package nftables, or set "iptables": false to go without rules, published ports and a way out',
    });
  const words = stderr.trim().split('\n').slice(0, 4).join(' / ') || error.message;
  return new NetworkError('NETWORK_FAILED', `nftables: nft refused the rules: ${words}`, { cause: error });
}
