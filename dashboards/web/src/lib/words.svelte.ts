/** Every text that people read, in French and in English. */
const words = {
  network: ['Réseau', 'Network'], doors: ['Portes', 'Doors'], usage: ['Usage', 'Use'], leases: ['Baux', 'Leases'], money: ['Facturation', 'Billing'],
  charter: ['Charte', 'Charter'], devices: ['Appareils', 'Devices'], programme: ['Programme', 'Programme'], mine: ['Mon espace', 'My space'], looks: ['Regards', 'Who looked'],
  live: ['en direct', 'live'], cutSince: ['coupé depuis {0}', 'cut off since {0}'], signOut: ['Se déconnecter', 'Sign out'], menu: ['Vues', 'Views'],
  otherLang: ['English', 'Français'], skip: ['Aller au contenu', 'Skip to content'],
  signIn: ['Se connecter', 'Sign in'], token: ['Jeton d’accès', 'Access token'], tokenHelp: ['Votre administrateur vous l’a donné. Il n’est pas gardé dans ce navigateur.', 'Your administrator gave it to you. It is not kept in this browser.'],
  accountHelp: ['Ou, avec un jeton :', 'Or with a token:'],
  wrongToken: ['Ce jeton est inconnu ou a expiré.', 'This token is unknown or has expired.'], replaceSession: ['Une session est déjà ouverte ({0}). Ouvrir celle du lien ?', 'A session is open already ({0}). Open the link’s instead?'], open: ['Ouvrir', 'Open'],
  loading: ['Un instant…', 'One moment…'], nothing: ['Rien à montrer.', 'Nothing to show.'], failed: ['Cela n’a pas marché : {0}', 'That did not work: {0}'], retry: ['Réessayer', 'Try again'],
  nothere: ['Cette page n’existe pas.', 'There is no such page.'], notyours: ['Votre rôle ne donne pas accès à cette vue.', 'Your role does not give access to this view.'], home: ['Retour au réseau', 'Back to the network'],
  peopleOne: ['{0} personne est dans les bâtiments.', '{0} person is in the buildings.'], people: ['{0} personnes sont dans {1}.', '{0} people are in {1}.'], oneBuilding: ['le bâtiment', 'the building'], nBuildings: ['les {0} bâtiments', 'the {0} buildings'],
  peopleLeast: ['Au moins {0} personnes sont dans {1}. Espaces inconnus : {2}.', 'At least {0} people are in {1}. Spaces unknown: {2}.'], peopleMasked: ['Au moins {0} personnes sont dans {1}.', 'At least {0} people are in {1}.'], peopleUnknown: ['Rien n’est encore connu des {0} espaces.', 'Nothing is known yet of the {0} spaces.'], peopleNone: ['Personne n’est compté dans les bâtiments.', 'Nobody is counted in the buildings.'],
  present: ['Présents', 'People'], coworkingPlaces: ['Places de coworking', 'Coworking places'], freeRooms: ['Salles libres', 'Free rooms'], inOrder: ['Portes et capteurs en ordre', 'Doors and sensors in order'],
  alarmOne: ['1 alarme', '1 alarm'], alarms: ['{0} alarmes', '{0} alarms'], noEvent: ['Aucun événement à venir', 'No event ahead'], now: ['maintenant', 'now'],
  free: ['libre', 'free'], busy: ['occupé', 'taken'], unknown: ['inconnu', 'unknown'], closed: ['fermé', 'closed'], full: ['complet', 'full'],
  freeOf: ['{0} libres / {1}', '{0} free / {1}'], freePlaces: ['places libres sur {0}', 'free places of {0}'], busyN: ['occupé · {0}', 'taken · {0}'], few: ['quelques personnes', 'a few people'],
  legendLevel: ['le niveau est la part des places prises', 'the level is the share of places taken'], legendBusy: ['occupé, complet', 'taken, full'],
  openUntil: ['ouvert jusqu’à {0}', 'open until {0}'], opensAt: ['fermé, ouvre {0}', 'closed, opens {0}'], floorName: ['{0}ᵉ', 'Floor {0}'], ground: ['RDC', 'Ground'], first: ['1ᵉʳ', 'Floor 1'],
  close: ['Fermer', 'Close'], chooseSpace: ['Choisissez un espace sur le plan.', 'Choose a space on the plan.'], today: ['Aujourd’hui', 'Today'], air: ['Air', 'Air'],
  countedBySource: ['selon {0}', 'by {0}'], confidence: ['confiance {0} %', 'confidence {0} %'], nothingKnown: ['Aucun capteur ne sait.', 'No sensor knows.'], capacity: ['{0} places, {1} m²', '{0} places, {1} m²'],
  source_people_counter: ['compteur de personnes', 'people counter'], source_flow_counter: ['compteur de passages', 'flow counter'], source_badge: ['badges', 'badges'], source_desk: ['capteurs de bureau', 'desk sensors'], source_occupancy: ['détecteur de présence', 'occupancy sensor'],
  holders: ['Baux sur cet espace', 'Leases on this space'], noLease: ['Aucun bail.', 'No lease.'], doorsHere: ['Portes', 'Doors'], devicesHere: ['Appareils', 'Devices'], eventsHere: ['Événements', 'Events'], rollcall: ['Rassemblement', 'Roll call'], hallScreen: ['Écran du hall', 'Hall screen'],
  readsTitle: ['Lectures', 'Reads'], at: ['Heure', 'Time'], doorCol: ['Porte', 'Door'], who: ['Qui', 'Who'], result: ['Résultat', 'Result'], why: ['Pourquoi ?', 'Why?'], allSites: ['Tous les sites', 'All sites'], allDoors: ['Toutes les portes', 'All doors'], allResults: ['Tous', 'All'], granted: ['accordé', 'granted'], refused: ['refusé', 'refused'],
  site: ['Site', 'Site'], tenant: ['Locataire', 'Tenant'], allTenants: ['Tous les locataires', 'All tenants'], visitor: ['Visiteur', 'Visitor'], unknownBadge: ['badge inconnu', 'unknown badge'], offlineRead: ['décidé par le lecteur', 'decided by the reader'], more: ['Voir plus', 'Show more'],
  since: ['depuis', 'since'], acknowledge: ['Vu', 'Seen'], seenBy: ['vu par {0}', 'seen by {0}'], noAlarm: ['Aucune alarme.', 'No alarm.'],
  actions: ['Agir', 'Act'], unlock: ['Ouvrir une porte', 'Open a door'], seconds: ['Secondes', 'Seconds'], reason: ['Motif', 'Reason'], lockdown: ['Confinement', 'Lockdown'], lockdownBegin: ['Commencer le confinement', 'Begin the lockdown'], lockdownEnd: ['Lever le confinement', 'End the lockdown'], confirm: ['Confirmer', 'Confirm'], cancel: ['Annuler', 'Cancel'],
  lockdownAsk: ['Seuls les secouristes pourront entrer à {0}. Les sorties restent libres.', 'Only responders will get in at {0}. Exits stay free.'], sent: ['Envoyé.', 'Sent.'], lockdownOn: ['{0} est en confinement depuis {1}.', '{0} is in lockdown since {1}.'], readersHold: ['Listes des lecteurs', 'Readers’ lists'], reader: ['Lecteur', 'Reader'], list: ['Liste', 'List'], state: ['État', 'State'], online: ['en ligne', 'online'], offline: ['hors ligne', 'offline'],
  couldPass: ['Ce badge passerait-il là, à ce moment ?', 'Could this badge pass there, then?'], badge: ['Badge', 'Badge'], when: ['Quand', 'When'], ask: ['Demander', 'Ask'],
  yesPass: ['Oui : la porte s’ouvre.', 'Yes: the door opens.'], noPass: ['Non : la porte reste fermée.', 'No: the door stays shut.'], tried: ['Droits examinés', 'Rights that were tried'], noneTried: ['Aucun droit à examiner.', 'No right to try.'], notKept: ['N’est plus conservé : une personne a été effacée.', 'No longer kept: a person was erased.'], opens: ['ouvre la porte', 'opens the door'], doesNotReach: ['ne mène pas à cette porte', 'does not reach this door'],
  rule_exit: ['Une sortie n’est jamais refusée.', 'An exit is never refused.'], rule_reader: ['Le lecteur est hors service.', 'The reader is disabled.'], rule_clock: ['La lecture est arrivée trop tard pour ouvrir.', 'The read came too late to open.'], rule_credential: ['Ce badge n’est pas valable.', 'The badge itself is not valid.'], rule_lockdown: ['Le site est en confinement.', 'The site is in lockdown.'], rule_right: ['Un droit ouvre la porte.', 'A right opens the door.'], 'rule_anti-passback': ['La personne est déjà entrée sans ressortir.', 'The person is in already and has not left.'], 'rule_no-right': ['Aucun droit n’ouvre cette porte à ce moment.', 'No right opens this door at that time.'],
  right_lease: ['Bail', 'Lease'], right_staff: ['Équipe du site', 'Site staff'], right_pass: ['Laissez-passer', 'Pass'], right_event: ['Événement', 'Event'],
  kind: ['Type', 'Kind'], space: ['Espace', 'Space'], building: ['Bâtiment', 'Building'], by: ['Par', 'By'], from: ['Du', 'From'], to: ['Au', 'To'], week: ['7 jours', '7 days'], month: ['30 jours', '30 days'], quarter: ['90 jours', '90 days'], heat: ['La semaine, heure par heure', 'The week, hour by hour'], utilisation: ['Utilisation', 'Utilisation'], fill: ['Remplissage', 'Fill'], knownHours: ['Heures connues', 'Known hours'], personHours: ['Heures-personnes', 'Person-hours'], peak: ['Pic', 'Peak'], csv: ['CSV', 'CSV'], png: ['PNG', 'PNG'], group: ['Comparer', 'Compare'],
  tenants: ['Locataires', 'Tenants'], members: ['Membres', 'Members'], credentials: ['Badges', 'Badges'], schedules: ['Horaires', 'Schedules'], plans: ['Formules', 'Plans'], leasesList: ['Baux', 'Leases'], passes: ['Laissez-passer', 'Passes'], events: ['Événements', 'Events'], filter: ['Filtrer', 'Filter'], add: ['Ajouter', 'Add'], save: ['Enregistrer', 'Save'], remove: ['Supprimer', 'Delete'], removeAsk: ['Supprimer {0} ?', 'Delete {0}?'], changedMeanwhile: ['Quelqu’un d’autre l’a changé entre-temps. Votre saisie est toujours là ; relisez la version actuelle avant d’enregistrer.', 'Somebody else changed it meanwhile. What you typed is still here; read the current version before you save.'], takeTheirs: ['Reprendre la version actuelle', 'Take the current version'], saved: ['Enregistré.', 'Saved.'], whatOpens: ['Ce que ce bail ouvrirait', 'What this lease would open'], forWhom: ['Pour {0} personnes', 'For {0} people'], thisMonth: ['Ce mois-ci : {0} TTC', 'This month: {0} incl. VAT'], lost: ['Badge perdu', 'Badge lost'], lostAsk: ['Bloquer ce badge partout, tout de suite ?', 'Block this badge everywhere, now?'], enrol: ['Présenter le badge à un lecteur', 'Hold the badge to a reader'], enrolWaiting: ['Présentez le badge au lecteur {0}, deux fois. {1} s', 'Hold the badge to reader {0}, twice. {1} s'], enrolOnce: ['Encore une fois.', 'Once more.'], enrolReady: ['Badge reconnu. Enregistrez.', 'Badge recognised. Save now.'], enrolEnded: ['Terminé sans badge : recommencez.', 'Ended without a badge: begin again.'], qr: ['Code QR', 'QR code'], qrOnce: ['À envoyer ou imprimer maintenant : il n’est montré qu’une fois.', 'Send or print it now: it is shown once.'], import: ['Importer un tableur', 'Import a spreadsheet'], importDry: ['Vérifier', 'Check'], importDo: ['Importer', 'Import'], acceptWarnings: ['Accepter les avertissements', 'Accept the warnings'], print: ['Imprimer', 'Print'], rows: ['{0} lignes', '{0} rows'],
  hours: ['Heures', 'Hours'], statements: ['Relevés', 'Statements'], rents: ['Loyers', 'Rents'], measured: ['Mesurées', 'Measured'], billable: ['Facturées', 'Billed'], unleased: ['Sans bail', 'Without a lease'], inferred: ['Fin déduite', 'Inferred end'], monthCol: ['Mois', 'Month'], member: ['Membre', 'Member'], day: ['Jour', 'Day'], visits: ['Visites', 'Visits'], correct: ['Corriger', 'Correct'], undo: ['Annuler la correction', 'Undo the correction'], ended: ['fin : {0}', 'ended: {0}'], dryRun: ['Calculer sans émettre', 'Dry run'], issue: ['Émettre', 'Issue'], issueAsk: ['Émettre les relevés de {0} ? Un relevé émis ne change plus.', 'Issue the statements of {0}? An issued statement never changes.'], lease: ['Bail', 'Lease'], rent: ['Loyer', 'Rent'], overage: ['Dépassement', 'Overage'], net: ['HT', 'Net'], vat: ['TVA', 'VAT'], total: ['TTC', 'Total'], see: ['Voir', 'See'], accounting: ['Journal des ventes (FEC)', 'Sales journal (FEC)'], target: ['Cible', 'Target'], elasticity: ['Élasticité', 'Elasticity'], maxChange: ['Variation maximale', 'Largest change'], current: ['Actuel', 'Current'], suggested: ['Proposé', 'Suggested'], bound: ['Borne', 'Bound'], income: ['Revenu annuel : {0} → {1}', 'Yearly income: {0} → {1}'], use: ['Usage', 'Use'], included: ['Incluses', 'Included'],
  mineFree: ['Libre maintenant', 'Free now'], mineHours: ['Vos heures ce mois-ci', 'Your hours this month'], mineCost: ['À ce jour : {0} TTC', 'As of now: {0} incl. VAT'], minePeople: ['Vos membres et badges', 'Your members and badges'], whoLooked: ['Qui a consulté ces données', 'Who looked at this data'], what: ['Quoi', 'What'], nobodyLooked: ['Personne.', 'Nobody.'],
  hallFree: ['places libres', 'places free'], hallNext: ['À suivre', 'Next'], quiet: ['calme', 'quiet'], lively: ['animé', 'lively'], moodFull: ['complet', 'full'], openNow: ['Ouvert', 'Open'], closedNow: ['Fermé', 'Closed'], subscribe: ['S’abonner au calendrier', 'Subscribe to the calendar'], noPublic: ['Aucun événement public annoncé.', 'No public event announced.'], running: ['en cours', 'now on'],
  rollTitle: ['Qui est dans le bâtiment, d’après les badges', 'Who is in the building, by the badges'], rollTicks: ['Les coches restent sur ce téléphone.', 'Ticks stay on this phone.'], rollStale: ['Réseau coupé : liste de {0}.', 'No network: list of {0}.'], rollSeen: ['{0} sur {1} retrouvés', '{0} of {1} found'], refresh: ['Actualiser', 'Refresh'], sensors: ['Capteurs', 'Sensors'], badges: ['Badges', 'Badges'], 
  offered: ['proposé', 'offered'], missing: ['manque', 'missing'], battery: ['Pile', 'Battery'], seen: ['Vu', 'Seen'], silentDevices: ['Silencieux', 'Silent'], unknownDevices: ['Appareils inconnus', 'Unknown devices'], catalogueLine: ['Ligne à mettre au catalogue', 'Line for the catalogue'], never: ['jamais', 'never'], allWell: ['Tous les appareils parlent.', 'All devices speak.'],
  firstSteps: ['Premiers pas', 'First steps'], firstSpaces: ['Décrire les bâtiments, espaces et portes dans le catalogue (TOTEM_CATALOGUE).', 'Describe buildings, spaces and doors in the catalogue (TOTEM_CATALOGUE).'], firstDevices: ['Brancher les lecteurs et capteurs ; ceux qui parlent et sont inconnus s’affichent sous Appareils.', 'Connect readers and sensors; those that speak and are unknown show under Devices.'], firstTenants: ['Saisir ou importer les locataires et leurs membres.', 'Enter or import tenants and their members.'], firstLeases: ['Créer les baux : ils ouvrent les portes.', 'Create the leases: they open the doors.'],
  command_unlock: ['ouverture demandée à', 'told to open at'], command_lockdown: ['confinement demandé à', 'told to lock down at'], command_release: ['fin demandée à', 'told to release at'],
  confirmedAt: ['confirmé à {0}', 'confirmed at {0}'], notConfirmed: ['pas encore confirmé', 'not confirmed yet'], readerAway: ['lecteur hors ligne : il le saura à son retour', 'reader offline: it is told when it is back'], cannotConfirm: ['ce lecteur ne confirme pas', 'this reader cannot confirm'],
  ended_badge: ['sorti par badge', 'left by badge'], ended_elsewhere: ['vu ailleurs ensuite', 'seen elsewhere next'], ended_closing: ['fin déduite : fermeture du site', 'end inferred: the site closed'], ended_max: ['fin déduite : seize heures', 'end inferred: sixteen hours'], ended_open: ['en cours', 'going on'],
  rent_insufficient: ['trop peu de mesures', 'too little is measured'], rent_not_let: ['n’était pas loué', 'was not let'], rent_revised: ['révisé le', 'revised on'], bound_max_change: ['variation maximale', 'largest change'], bound_index_cap: ['plafond de l’ILAT', 'capped by the ILAT'], bound_floor: ['plancher', 'floor'], knownShare: ['Mesuré', 'Measured'], changeCol: ['Variation', 'Change'], medianCol: ['Médiane du type', 'Median of the kind'],
  importCreate: ['nouveau', 'new'], importChange: ['modifié', 'changed'], importKeep: ['inchangé', 'as it is'], importLine: ['Ligne', 'Line'], importWhat: ['Ce qui change', 'What changes'], importCount: ['{0} nouveaux, {1} modifiés, {2} inchangés', '{0} new, {1} changed, {2} as they are'], importUnused: ['Colonnes non lues : {0}', 'Columns not read: {0}'], importShown: ['Les {0} premières lignes sont montrées.', 'The first {0} rows are shown.'], importEnglish: ['Le détail est en anglais, tel que le service le donne.', ''],
  stepDone: ['fait', 'done'], stepOpen: ['à faire', 'to do'],
  holdsFrom: ['Ce changement vaut', 'This change holds'], fromToday: ['à partir d’aujourd’hui', 'from today'], fromDay: ['à partir d’un jour', 'from a day'], fromBeginning: ['depuis le début', 'from the beginning'], whatWould: ['Qu’est-ce que cela changerait ?', 'What would it change?'],
  holdsHelp: ['Un accord nouveau vaut d’aujourd’hui ou d’un jour ; une erreur de saisie se corrige depuis le début. Les dates du bail valent toujours pour toute sa durée.', 'What was agreed holds from today or from a day; a slip is mended from the beginning. A lease’s dates hold for all its time.'],
  wouldOpen: ['ouvrirait {0}', 'would open {0}'], wouldClose: ['fermerait {0}', 'would close {0}'], wouldCorrect: ['{0}, déjà émis : correction de {1} HT sur le prochain relevé', '{0}, issued already: a correction of {1} excl. VAT on the next statement'], wouldNothing: ['Rien ne changerait.', 'Nothing would change.'],
  versions: ['{0} versions', '{0} versions'], takeBack: ['Retirer', 'Take back'], noMore: ['n’est plus', 'is no more'],
  readersOff: ['Lecteurs hors ligne : {0}', 'Readers offline: {0}'], neverHeard: ['Aucun appareil n’a encore parlé', 'No device has spoken yet'],
  lowBattery: ['pile faible', 'low battery'], lowBatteries: ['Piles faibles : {0}', 'Low batteries: {0}'], silentCount: ['Silencieux : {0} sur {1}', 'Silent: {0} of {1}'], notUnderstood: ['messages non compris', 'messages not understood'], notUnderstoodCount: ['Non compris : {0}', 'Not understood: {0}'],
  badgeOrNumber: ['Badge : nom, identifiant ou numéro', 'Badge: name, id or number'], showAll: ['Tout montrer ({0})', 'Show all ({0})'], allSeen: ['Tout marquer comme vu', 'Mark all as seen'],
  rollBoth: ['{0} par badge, {1} selon les capteurs', '{0} by badge, {1} by sensors'], rollGap: ['Les capteurs comptent plus de personnes que les badges : ne vous arrêtez pas à la liste.', 'Sensors count more people than badges: do not stop at the list.'],
  eventNow: ['événement en cours', 'event going on'], wouldOpenIt: ['l’ouvrirait', 'would open it'], offlineView: ['Cette vue n’a pas pu être chargée : le service ne répond pas.', 'This view could not be loaded: the service does not answer.'],
  monthNotOver: ['Le mois n’est pas fini : il peut seulement être calculé.', 'The month is not over: it can only be reckoned.'], sumRow: ['Total', 'Total'], noHistory: ['Il faut plus d’historique : trop peu d’heures d’ouverture sont mesurées sur ces 90 jours.', 'More history is needed: too few opening hours of these 90 days are measured.'],
  dayRule: ['tolérance {0} min, arrondi {1} min, plafond {2}', 'grace {0} min, rounded to {1} min, at most {2}'], noCap: ['aucun', 'any'], autoId: ['laissé vide : choisi pour vous', 'left empty: chosen for you'], mineBill: ['Ce que vous payez ce mois-ci', 'What you pay this month'], looksHelp: ['Qui a regardé les passages, visites ou données d’une personne. Choisissez-la.', 'Who looked at the reads, visits or data of a person. Choose one.'],
  allKinds: ['Tous', 'All'], onAverage: ['{0} personnes en moyenne', '{0} people on average'], heatNobody: ['personne', 'nobody'], heatMost: ['{0} personnes en moyenne, le plus de la semaine', '{0} people on average, the most of the week'],
  usageHelp: ['Utilisation : part des heures d’ouverture connues où l’espace est occupé. Remplissage : part des places prises pendant ces heures. Les heures inconnues ne comptent pas.', 'Utilisation: the share of known opening hours in which a space is occupied. Fill: the share of its places that are taken in them. Unknown hours do not count.'],
  charterLine: ['{0} espaces, {1} m², utilisés {2}', '{0} spaces, {1} m², used {2}'],
  overMonths: ['Au fil des mois', 'Over the months'],
  wide: ['Contenu à faire défiler', 'Content that scrolls'],
  search: ['Chercher', 'Search'], searchHelp: ['personnes, locataires, espaces, portes', 'people, tenants, spaces, doors'], noMatch: ['Aucun résultat.', 'No match.'],
} satisfies Record<string, [string, string]>

const reasons: Record<string, [string, string]> = {
  egress: ['sortie', 'exit'], 'device-disabled': ['lecteur hors service', 'reader disabled'], stale: ['lecture trop ancienne', 'read too old'], 'unknown-credential': ['badge inconnu', 'unknown badge'], 'credential-lost': ['badge perdu', 'badge lost'], 'credential-revoked': ['badge révoqué', 'badge revoked'], 'credential-out-of-date': ['badge hors validité', 'badge out of date'], lockdown: ['confinement', 'lockdown'], staff: ['équipe', 'staff'], lease: ['bail', 'lease'], pass: ['laissez-passer', 'visitor pass'], event: ['événement', 'event'], 'anti-passback': ['déjà entré', 'entered already'], 'outside-hours': ['hors des horaires du bail', 'outside the lease’s hours'], 'lease-suspended': ['bail suspendu', 'lease suspended'], 'lease-not-started': ['bail pas encore commencé', 'lease not started'], 'lease-ended': ['bail terminé', 'lease ended'], 'no-right': ['aucun droit ici', 'no right here'], unavailable: ['indisponible', 'unavailable'],
}
const alarmKinds: Record<string, [string, string]> = {
  gap: ['messages manquants', 'messages missing'], silent: ['silencieux', 'silent'], stuck: ['valeur figée', 'stuck value'], clock: ['horloge fausse', 'clock wrong'], 'battery-low': ['pile faible', 'battery low'], 'door-forced': ['porte forcée', 'door forced'], 'door-held': ['porte maintenue ouverte', 'door held open'], implausible: ['comptage invraisemblable', 'implausible count'], 'offline-mismatch': ['décision hors ligne divergente', 'offline decision differs'], 'anti-passback': ['double entrée', 'entered twice'], 'counter-reset': ['compteur remis à zéro', 'counter reset'], 'list-too-large': ['liste trop grande', 'list too large'], unstorable: ['message impossible à enregistrer', 'message cannot be stored'], 'card-spelling': ['numéros de badge ambigus', 'badge numbers ambiguous'],
}
const deviceKinds: Record<string, [string, string]> = {
  reader: ['lecteur', 'reader'], 'door-contact': ['contact de porte', 'door contact'], 'people-counter': ['compteur de personnes', 'people counter'], 'flow-counter': ['compteur de passages', 'flow counter'], occupancy: ['détecteur de présence', 'occupancy sensor'], desk: ['capteur de bureau', 'desk sensor'], air: ['capteur d’air', 'air sensor'], gateway: ['passerelle', 'gateway'],
}
export function deviceText(code: string): string { return pick(deviceKinds[code], tongue.lang) ?? code }
const kinds: Record<string, [string, string]> = {
  'private-office': ['Bureau privé', 'Private office'], coworking: ['Coworking', 'Coworking'], 'meeting-room': ['Salle de réunion', 'Meeting room'], 'associations-office': ['Bureau d’associations', 'Associations’ office'], demo: ['Démonstration', 'Demo space'], common: ['Espace commun', 'Common space'], cafe: ['Café', 'Café'], fablab: ['FabLab', 'FabLab'], training: ['Formation', 'Training'], videoconference: ['Visioconférence', 'Videoconference'], incubator: ['Incubateur', 'Incubator'], accelerator: ['Accélérateur', 'Accelerator'], auditorium: ['Auditorium', 'Auditorium'], studio: ['Studio', 'Studio'],
}

export type Word = keyof typeof words
export type Lang = 'fr' | 'en'

class Words {
  lang = $state<Lang>((localStorage.getItem('lang') as Lang | null) ?? (navigator.language.toLowerCase().startsWith('fr') ? 'fr' : 'en'))
  constructor() { document.documentElement.lang = this.lang }
  switch() {
    this.lang = this.lang === 'fr' ? 'en' : 'fr'
    localStorage.setItem('lang', this.lang)
    document.documentElement.lang = this.lang
  }
}
export const tongue = new Words()

const pick = (pair: [string, string] | undefined, lang: Lang) => pair?.[lang === 'fr' ? 0 : 1]

/** A text in the reader's language; {0}, {1} … are filled. */
export function t(key: Word, ...fill: (string | number)[]): string { return tIn(tongue.lang, key, ...fill) }
export function tIn(lang: Lang, key: Word, ...fill: (string | number)[]): string {
  return pick(words[key] as [string, string], lang)!.replace(/\{(\d)\}/g, (_, n) => String(fill[Number(n)] ?? ''))
}
export function has(key: string): key is Word { return key in words }
export function reasonText(code: string): string { return pick(reasons[code], tongue.lang) ?? code }
export function alarmText(code: string): string { return pick(alarmKinds[code], tongue.lang) ?? code }
/** What an alarm's detail says, in the reader's language; French has its own words for what the service says in English. */
export function alarmDetail(a: { kind: string; detail: string }): string {
  if (tongue.lang !== 'fr') return a.detail
  const n = a.detail.match(/\d+/g) ?? []
  const said: Record<string, string> = {
    gap: 'des messages manquent', silent: 'il ne donne plus de nouvelles', stuck: 'il dit la même chose depuis un jour, occupé', clock: `son horloge est fausse de ${a.detail.split(' ').at(-1) ?? '?'}`, 'battery-low': `sa pile est à ${n[0] ?? '?'} %`,
    'door-forced': 'la porte a été forcée', 'door-held': 'la porte reste ouverte', 'anti-passback': 'entré deux fois sans sortir', 'counter-reset': 'ses totaux ont reculé ou bondi : personne n’est compté pour cet intervalle',
    implausible: `${n[0] ?? '?'} personnes comptées pour ${n[1] ?? '?'} places`, 'list-too-large': `sa liste fait ${n[0] ?? '?'} octets, plus que le réglage (${n[1] ?? '?'})`,
    'offline-mismatch': `le lecteur a ${a.detail.includes('granted=true, ') ? 'ouvert' : 'refusé'}, Totem aurait ${a.detail.includes('totem granted=true') ? 'ouvert' : 'refusé'}${/\((.*)\)/.test(a.detail) ? ` (${reasonText(a.detail.match(/\((.*)\)/)![1])})` : ''}`,
  }
  return said[a.kind] ?? a.detail
}
export function kindText(code: string): string { return pick(kinds[code], tongue.lang) ?? code }
export const kindCodes = Object.keys(kinds)

let zone = 'Europe/Paris'
/** Times are the sites', wherever the reader is. */
export function setZone(name: string): void { zone = name; formats.clear() }
const locale = () => (tongue.lang === 'fr' ? 'fr-FR' : 'en-GB')
const formats = new Map<string, Intl.DateTimeFormat>()
function format(key: string, options: Intl.DateTimeFormatOptions, as = locale()): Intl.DateTimeFormat {
  const name = as + key
  let f = formats.get(name)
  if (!f) formats.set(name, (f = new Intl.DateTimeFormat(as, { timeZone: zone, ...options })))
  return f
}
const as = (v: string | Date) => (typeof v === 'string' ? new Date(v) : v)
export const time = (v: string | Date) => format('t', { hour: '2-digit', minute: '2-digit' }).format(as(v))
export const clock = (v: string | Date) => format('c', { hour: '2-digit', minute: '2-digit', second: '2-digit' }).format(as(v))
export const date = (v: string | Date) => format('d', { day: 'numeric', month: 'long' }).format(as(v))
export const longDate = (v: string | Date) => format('l', { weekday: 'long', day: 'numeric', month: 'long', hour: '2-digit', minute: '2-digit' }).format(as(v))
export const dateTime = (v: string | Date) => format('dt', { day: '2-digit', month: '2-digit', hour: '2-digit', minute: '2-digit' }).format(as(v))
export const localDay = (v: string | Date) => format('day', { year: 'numeric', month: '2-digit', day: '2-digit' }, 'en-CA').format(as(v))
/** An instant as a form's field holds it: local time at the sites, wherever the reader is. */
export function siteLocal(v: string | Date): string {
  const f = format('form', { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' }, 'sv-SE')
  return f.format(as(v)).replace(' ', 'T')
}
/** The instant of a local time at the sites. */
export function siteInstant(local: string): string {
  const asUtc = new Date(local + ':00Z').getTime()
  let at = asUtc
  for (let i = 0; i < 2; i++) at = asUtc - (new Date(siteLocal(new Date(at)) + ':00Z').getTime() - at)
  return new Date(at).toISOString()
}
export const number = (v: number, digits = 0) => new Intl.NumberFormat(locale(), { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(v)
export const percent = (v: number | null | undefined) => (v == null ? '–' : new Intl.NumberFormat(locale(), { style: 'percent', maximumFractionDigits: 0 }).format(v))
export const money = (cents: number) => new Intl.NumberFormat(locale(), { style: 'currency', currency: 'EUR' }).format(cents / 100)
/** A stretch of time as people say it. */
export function duration(seconds: number): string {
  const m = Math.round(seconds / 60), fr = tongue.lang === 'fr'
  if (m < 60) return `${m} min`
  return `${Math.floor(m / 60)} h ${String(m % 60).padStart(2, '0')}`.replace(fr ? ' 00' : ' 00', '')
}
/** How long ago something was. */
export function ago(v: string | Date, now: number): string {
  const s = Math.max(0, Math.round((now - as(v).getTime()) / 1000))
  const text = s < 60 ? `${s} s` : s < 172_800 ? duration(s) : `${Math.round(s / 86_400)} ${tongue.lang === 'fr' ? 'j' : 'days'}`
  return tongue.lang === 'fr' ? `il y a ${text}` : `${text} ago`
}
