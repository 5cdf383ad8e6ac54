import { Tq } from 'tq-runtime'

export default new Tq('proj')
