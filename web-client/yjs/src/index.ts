export { sanitizeState } from './awareness';
export { StoaProvider } from './provider';
export type { ProviderEvents, ProviderRoom, ProviderStatus, StoaProviderOptions } from './provider';
