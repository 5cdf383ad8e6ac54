export const ADD = 'math.add'
