export type { BundlePayload } from '#contracts';
