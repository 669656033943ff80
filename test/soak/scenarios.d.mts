export declare const scenarios: Record<string, { about: string; times: number }>;
export declare function runScenario(name: string, times?: number): Promise<Record<string, number>>;
