/**
 * What goes in and out of this module: networks, endpoints and containers as plain records, which whoever calls keeps.
 * After a restart the same records come back in through openNetworking(), and what runs is adopted.
 *
 * Addresses are text as in the API ("172.17.0.2", "fd00::2"), ids 64 hex digits. Pure.
 */

/** `null` is the driver of the predefined network `none`. */
export type NetworkDriver = 'bridge' | 'host' | 'null' | 'macvlan' | 'ipvlan';

export type Protocol = 'tcp' | 'udp' | 'sctp';

/** Of an IPAM configuration. Given by a user each field but subnet may be missing; in a record subnet and gateway are set. */
export interface IpamConfig {
  readonly subnet?: string;
  readonly ipRange?: string;
  readonly gateway?: string;
  readonly auxiliaryAddresses?: { readonly [host: string]: string };
}

export interface NetworkRequest {
  readonly name: string;
  readonly driver: string;
  readonly internal?: boolean;
  readonly attachable?: boolean;
  /** Unset: true. */
  readonly enableIPv4?: boolean;
  readonly enableIPv6?: boolean;
  readonly ipam?: {
    readonly driver?: string;
    readonly options?: { readonly [name: string]: string };
    readonly config?: readonly IpamConfig[];
  };
  /** com.docker.network.bridge.*, com.docker.network.driver.mtu, parent, macvlan_mode, ipvlan_mode. */
  readonly options?: { readonly [name: string]: string };
  readonly labels?: { readonly [name: string]: string };
}

export interface NetworkRecord {
  readonly id: string;
  readonly name: string;
  readonly driver: NetworkDriver;
  /** RFC 3339. */
  readonly created: string;
  /** bridge, host and none, which are always there and cannot be removed. */
  readonly predefined: boolean;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly enableIPv4: boolean;
  readonly enableIPv6: boolean;
  readonly ipam: {
    readonly driver: string;
    readonly options: { readonly [name: string]: string };
    readonly config: readonly IpamConfig[];
  };
  readonly options: { readonly [name: string]: string };
  readonly labels: { readonly [name: string]: string };
  /** The link of the host: the bridge, or the parent of macvlan and ipvlan. */
  readonly link?: string;
  /** The link was there before: it stays when the network goes. */
  readonly foreignLink?: boolean;
}

/** What a user asked of one endpoint: EndpointsConfig of the API. */
export interface EndpointRequest {
  /** Name, id or unique prefix of the id. */
  readonly network: string;
  readonly aliases?: readonly string[];
  /** `container:alias` or `container`: names for this container alone. */
  readonly links?: readonly string[];
  readonly ipv4Address?: string;
  readonly ipv6Address?: string;
  /** Beside the others: of 169.254.0.0/16 and fe80::/10. */
  readonly linkLocalIps?: readonly string[];
  readonly macAddress?: string;
  readonly driverOpts?: { readonly [name: string]: string };
  readonly gwPriority?: number;
}

export interface EndpointAddress {
  readonly address: string;
  readonly prefixLength: number;
  /** Unset on internal networks. */
  readonly gateway?: string;
}

/** One container in one network. */
export interface EndpointRecord {
  readonly id: string;
  readonly networkId: string;
  readonly networkName: string;
  readonly request: EndpointRequest;
  /** Inside the container: eth0. */
  readonly ifname: string;
  /** On the host: vethXXXXXXX; unset for macvlan and ipvlan. */
  readonly hostIfname?: string;
  readonly macAddress: string;
  readonly ipv4?: EndpointAddress;
  readonly ipv6?: EndpointAddress;
  /** Names that DNS answers with this endpoint: container name, aliases, short id; empty on the default bridge. */
  readonly dnsNames: readonly string[];
}

export interface PortRequest {
  readonly protocol: Protocol;
  readonly containerPort: number;
  /** Unset or empty: every address of the host, of both families. */
  readonly hostIp?: string;
  /** The first free one of first to last; unset: an ephemeral port. */
  readonly hostPorts?: { readonly first: number; readonly last: number };
}

/** One row of `docker port`: a family and an address of the host each. */
export interface PublishedPort {
  readonly protocol: Protocol;
  readonly containerPort: number;
  /** "0.0.0.0", "::" or an address. */
  readonly hostIp: string;
  readonly hostPort: number;
}

/** HostConfig.NetworkMode, read: see networkMode(). */
export type NetworkMode =
  | { readonly kind: 'networks' }
  | { readonly kind: 'host' }
  | { readonly kind: 'none' }
  | { readonly kind: 'container'; readonly containerId: string };

export interface ContainerNetworkRequest {
  readonly containerId: string;
  /** Without the leading slash. */
  readonly name: string;
  readonly hostname: string;
  readonly domainname?: string;
  readonly mode: NetworkMode;
  /** For kind `networks`: at least one. */
  readonly endpoints: readonly EndpointRequest[];
  readonly ports: readonly PortRequest[];
  readonly dns?: readonly string[];
  readonly dnsSearch?: readonly string[];
  readonly dnsOptions?: readonly string[];
  /** `name:address`; the address may be `host-gateway`. */
  readonly extraHosts?: readonly string[];
}

/** What has to be kept of a container that has a network, from prepare() until release(). */
export interface ContainerNetworkRecord {
  readonly containerId: string;
  readonly name: string;
  readonly hostname: string;
  readonly domainname: string;
  readonly mode: NetworkMode;
  /** 64 hex digits; SandboxID of the API. */
  readonly sandboxId: string;
  /** Where the network namespace is bound; unset for host. Of container: that of the other one. */
  readonly netnsPath?: string;
  readonly endpoints: readonly EndpointRecord[];
  readonly requestedPorts: readonly PortRequest[];
  readonly ports: readonly PublishedPort[];
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  readonly extraHosts: readonly string[];
}

/** Contents of the files that are bound over those of the container's /etc. For mode container: use those of the other. */
export interface NetworkFiles {
  readonly hosts: string;
  readonly resolvConf: string;
  readonly hostname: string;
}

export interface ContainerNetwork {
  readonly record: ContainerNetworkRecord;
  readonly files: NetworkFiles;
  /** For `Warnings` of the API: published ports are discarded with host, and the like. */
  readonly warnings: readonly string[];
}

/**
 * The way of published ports from the host into a network namespace that is not the host's, where bridges are for a user
 * without rights over the host's.
 */
export interface Gate {
  /** The port of a host address, 0 for one that is free; all that comes there goes to inside(hostIp). Rejects as bind(2). */
  open(port: { readonly protocol: 'tcp' | 'udp'; readonly hostIp: string; readonly port: number }): Promise<{
    readonly port: number;
    close(): Promise<void>;
  }>;
  /** Where callers of a host address come to in the namespace. */
  inside(hostIp: string): string;
  /** The ports of all records are open: what else is, a daemon left that was killed. */
  settle(): Promise<void>;
}

export interface NetworkingOptions {
  /** Where the namespace of bridges, rules and the host's ends of links is bound. Unset: our own. */
  readonly hostNetns?: string;
  /** Of hostNetns. */
  readonly gate?: Gate;
  /** Resolvers for containers where the host has none but on its loopback. Unset: public ones. */
  readonly fallbackDns?: readonly string[];
  /** Namespaces are bound below it: <runDirectory>/netns/<container id>. */
  readonly runDirectory: string;
  /** Of the nftables table, and the mark on links that are ours: one for each daemon of a machine. Unset: tsrun. */
  readonly table?: string;
  /** Of the predefined network bridge. Unset: docker0. */
  readonly defaultBridge?: string;
  /** What the names of other bridges begin with, at most 3 characters. Unset: br-. */
  readonly bridgePrefix?: string;
  /** `bip`: address and prefix length of the default bridge. Unset: from the pools. */
  readonly defaultBridgeAddress?: string;
  /** `fixed-cidr`: the part of its subnet that containers get addresses of. */
  readonly defaultBridgeRange?: string;
  readonly defaultBridgeOptions?: { readonly [name: string]: string };
  /** `default-address-pools`: each is cut into networks of `size` bits. */
  readonly addressPools?: readonly { readonly base: string; readonly size: number }[];
  /** `ip`: where ports are published that name no address. Unset: everywhere. */
  readonly defaultHostIp?: string;
  /** `host-gateway-ip`. Unset: the gateway of the default bridge. */
  readonly hostGatewayIps?: readonly string[];
  /** `dns`, `dns-search`, `dns-opts` of the daemon: for containers that give none. */
  readonly dns?: readonly string[];
  readonly dnsSearch?: readonly string[];
  readonly dnsOptions?: readonly string[];
  /** False: no nftables at all: no published ports from outside, no way out for containers. Unset: true. */
  readonly firewall?: boolean;
  /** False: ip_forward is left as it is. Unset: true. */
  readonly ipForward?: boolean;
  /** The host's file. Unset: /etc/resolv.conf, or the one that systemd-resolved keeps of its upstreams. */
  readonly resolvConf?: string;
  /** What happened while nobody asked: rules restored, a forwarder that failed. Unset: nobody hears it. */
  readonly log?: (level: 'info' | 'warn' | 'error', message: string) => void;
}

/** Records as they were kept: all networks but the predefined ones may be missing at the very first start. */
export interface NetworkState {
  readonly networks: readonly NetworkRecord[];
  readonly containers: readonly ContainerNetworkRecord[];
}

export interface ContainerChange {
  readonly record: ContainerNetworkRecord;
  readonly files: NetworkFiles;
  /** The files before the change: a container may have changed its own since. */
  readonly previous: NetworkFiles;
}

/**
 * The networks of one daemon. Calls about one container come one after the other: whoever calls sees to that. Every
 * call is all or nothing; failures are NetworkErrors. Records that come back are to be kept before anything is answered.
 */
export interface Networking {
  /** By name, id or unique prefix. Throws NETWORK_NOT_FOUND. */
  find(network: string): NetworkRecord;
  list(): readonly NetworkRecord[];
  create(request: NetworkRequest): Promise<NetworkRecord>;
  /** NETWORK_FORBIDDEN for predefined ones and those with endpoints. forget: told before; when it throws nothing is done. */
  remove(network: string, forget?: (network: NetworkRecord) => Promise<void>): Promise<NetworkRecord>;
  /** The endpoints of a network, with their containers. */
  endpointsOf(networkId: string): readonly {
    readonly container: ContainerNetworkRecord;
    readonly endpoint: EndpointRecord;
  }[];
  /** The network of a container that is about to start. */
  prepare(request: ContainerNetworkRequest): Promise<ContainerNetwork>;
  /** Takes away everything of the container; nothing happens if there is nothing. */
  release(containerId: string): Promise<void>;
  /** Of a container that is prepared. NETWORK_CONFLICT if it is there already. */
  connect(containerId: string, endpoint: EndpointRequest): Promise<ContainerChange>;
  /** Of a container that is prepared. NETWORK_CONFLICT if it is not connected. */
  /** keep: told of what is to be before it is done; when it throws nothing is. */
  disconnect(
    containerId: string,
    network: string,
    keep: (planned: ContainerNetworkRecord) => Promise<void>,
  ): Promise<ContainerChange>;
  /** The container has another name: DNS and the record follow. */
  rename(containerId: string, name: string): ContainerNetworkRecord | undefined;
  container(containerId: string): ContainerNetworkRecord | undefined;
  /** Stops forwarding and answering; containers keep their namespaces and rules. */
  close(): Promise<void>;
}
