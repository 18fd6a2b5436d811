/** Whether an action is among those that the settings name: `decision.wait`, `decision.*` or `*`. */
export function isWanted(action: string, patterns: readonly string[]): boolean {
  const noun = `${action.split('.')[0]}.*`
  return patterns.some((pattern) => pattern === '*' || pattern === action || pattern === noun)
}
