// Where each mark of a species comes from (`marks` in the files of the languages), by its EPPO code. A mark says nothing that its pages do not.

export const sources = {
  ALOMY: ["https://www.plant-protection.com/en/article/932?lang=en", "https://en.wikipedia.org/wiki/Alopecurus_myosuroides"],
  APESV: ["https://agrobaseapp.com/ireland/weed/loose-silky-bent-1", "https://www2.dijon.inrae.fr/hyppa/hyppa-a/apesv_ah.htm"],
  TRZAX: ["https://theagrarier.com/arable/wheat-barley-or-rye-plant-cultivation-expert-explains-how-to-recognize-them"],
  ZEAMX: ["https://biologyinsights.com/what-does-corn-look-like-when-it-starts-to-grow"],
  SINAR: ["https://agrobaseapp.com/united-states/weed/wild-mustard-charlock-4"],
  GALAP: ["https://agrobaseapp.com/united-kingdom/weed/cleavers"],
  STEME: ["https://ograsradgivaren.slu.se/arter/index.cfm?showOgras=1&p=kt&sprak_id=12&VisaLatin=1"],
  CHEAL: ["https://upick.beefresearch.ca/weeds/lambs-quarters/"],
  MATIN: ["https://ograsradgivaren.slu.se/arter/index.cfm?showOgras=23&p=kt&sprak_id=12&VisaLatin=1", "https://weedid.cals.vt.edu/weedimg/455"],
  CAPBP: ["https://agrobaseapp.com/united-states/weed/shepherds-purse-6", "https://redbuttecanyon.net/introduced/c_bursa-pastoris.html"],
  GERPU: ["https://floraseries.landcareresearch.co.nz/taxa/6473bf45-4946-4496-ab21-b7c1500c9952"],
  BEAVA: ["https://biologyinsights.com/what-do-beet-seedlings-look-like"],
};
