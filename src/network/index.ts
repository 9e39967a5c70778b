/** Networks of containers: what the daemon may use of this module. */

export { parseLink } from './context.js';
export { NetworkError, type NetworkErrorCode } from './errors.js';
export { type OpenedNetworking, openNetworking } from './networking.js';
export { checkEndpoint } from './plan-endpoint.js';
export { networkMode, type PortBinding, portRequests } from './requests.js';
export { openUserNetwork, type UserNetwork } from './slirp/user-network.js';
export type * from './types.js';
