"""Integer codes of the model with their English and Chinese labels: one word per thing."""

from __future__ import annotations

from enum import IntEnum


class Mode(IntEnum):
    """Main mode of a tour and its trips."""

    WALK = 0
    BICYCLE = 1
    SHARED_BICYCLE = 2
    E_BIKE = 3
    BUS = 4
    METRO = 5
    BUS_METRO = 6
    TAXI = 7
    RIDE_HAIL = 8
    CAR_DRIVER = 9
    CAR_PASSENGER = 10


class Nest(IntEnum):
    """Nests of the mode-choice model."""

    ACTIVE = 0
    TRANSIT = 1
    HIRED = 2
    CAR = 3


NEST_OF_MODE: tuple[Nest, ...] = (
    Nest.ACTIVE, Nest.ACTIVE, Nest.ACTIVE, Nest.ACTIVE,
    Nest.TRANSIT, Nest.TRANSIT, Nest.TRANSIT,
    Nest.HIRED, Nest.HIRED,
    Nest.CAR, Nest.CAR,
)  # fmt: skip

GREEN_MODES: tuple[Mode, ...] = (
    Mode.WALK, Mode.BICYCLE, Mode.SHARED_BICYCLE, Mode.E_BIKE, Mode.BUS, Mode.METRO, Mode.BUS_METRO,
)  # fmt: skip


class Purpose(IntEnum):
    """Purpose of a tour: the activity at its main destination."""

    WORK = 0
    SCHOOL = 1
    BUSINESS = 2
    SHOPPING = 3
    LEISURE = 4
    ERRAND = 5


class Period(IntEnum):
    """Periods of a weekday."""

    AM = 0
    MIDDAY = 1
    PM = 2
    NIGHT = 3


PERIOD_HOURS: tuple[tuple[float, float], ...] = ((7, 9), (9, 17), (17, 19), (19, 31))
"""Start and end of each period [hour of day]; the night runs past midnight."""

PERIOD_LENGTH_H: tuple[float, ...] = tuple(end - start for start, end in PERIOD_HOURS)


class DayPart(IntEnum):
    """Parts of a simulated day: out to work and school people go at night before the morning peak, else after the evening's."""

    EARLY = 0
    AM = 1
    MIDDAY = 2
    PM = 3
    LATE = 4


PERIOD_OF_PART: tuple[Period, ...] = (Period.NIGHT, Period.AM, Period.MIDDAY, Period.PM, Period.NIGHT)


class PersonStatus(IntEnum):
    """What a person does on a weekday."""

    WORKER = 0
    STUDENT = 1
    RETIRED = 2
    OTHER_ADULT = 3
    CHILD = 4


class AgeGroup(IntEnum):
    """Age groups of the synthesis: 0-5, 6-14, 15-24, 25-44, 45-59, 60 and more."""

    INFANT = 0
    PUPIL = 1
    YOUTH = 2
    ADULT = 3
    MIDDLE = 4
    SENIOR = 5


AGE_GROUP_START_YEAR: tuple[int, ...] = (0, 6, 15, 25, 45, 60)


class Sex(IntEnum):
    """Sex as in the census."""

    FEMALE = 0
    MALE = 1


class Registration(IntEnum):
    """Household registration (hukou) or permit."""

    LOCAL = 0
    PERMIT = 1
    OTHER = 2


class ValueOfTimeClass(IntEnum):
    """Classes of the value of travel time."""

    LOW = 0
    MIDDLE = 1
    HIGH = 2


class Powertrain(IntEnum):
    """Powertrain of a vehicle."""

    ICE = 0
    HEV = 1
    PHEV = 2
    BEV = 3
    FCEV = 4


class Fuel(IntEnum):
    """What a vehicle burns or stores; a plug-in or plain hybrid has the fuel of its engine."""

    PETROL = 0
    DIESEL = 1
    CNG = 2
    LNG = 3
    ELECTRICITY = 4
    HYDROGEN = 5


class VehicleClass(IntEnum):
    """Classes of the vehicle stock."""

    PRIVATE_CAR = 0
    OFFICIAL_CAR = 1
    TAXI = 2
    RIDE_HAIL = 3
    BUS = 4
    COACH = 5
    VAN = 6
    TRUCK = 7
    SANITATION = 8
    AIRPORT = 9
    OTHER = 10


class PlateKind(IntEnum):
    """Kinds of plates of private cars, and the pools in which one waits for the first two."""

    ORDINARY = 0
    NEW_ENERGY = 1
    OUT_OF_TOWN = 2


class ApplicantKind(IntEnum):
    """Who applies for a plate."""

    FAMILY = 0
    INDIVIDUAL = 1
    UNIT = 2


class Accounting(IntEnum):
    """How the CO2 of electricity is counted; the last adds what lies upstream of every fuel."""

    DIRECT = 0
    PROVINCIAL = 1
    REGIONAL = 2
    MARKET = 3
    WELL_TO_WHEEL = 4


class Scope(IntEnum):
    """Who belongs to operating transport: goods and coaches; with bus and taxi; with metro (two weights)."""

    S1 = 0
    S2 = 1
    S3 = 2
    S3_METRO_ROAD = 3


class LinkClass(IntEnum):
    """Functional class of a road link."""

    MOTORWAY = 0
    EXPRESSWAY = 1
    PRIMARY = 2
    SECONDARY = 3
    TERTIARY = 4
    LOCAL = 5
    PATH = 6


class TransitMode(IntEnum):
    """Submode of a transit line."""

    BUS = 0
    METRO = 1


class TransitOption(IntEnum):
    """Transit mode alternatives, each a set of allowed lines."""

    BUS = 0
    METRO = 1
    BUS_METRO = 2


NEW_ENERGY: tuple[Powertrain, ...] = (Powertrain.PHEV, Powertrain.BEV, Powertrain.FCEV)
"""New-energy vehicles (新能源汽车) as the plan and the statistics count them."""

CLEAN_FUELS: tuple[Fuel, ...] = (Fuel.CNG, Fuel.LNG)
"""Clean energy (清洁能源) that is not new energy: gas buses and trucks are clean and not new."""

LABELS: dict[type[IntEnum], tuple[tuple[str, str], ...]] = {
    Mode: (
        ("Walk", "步行"), ("Bicycle", "自行车"), ("Shared bicycle", "共享单车"), ("E-bike", "电动自行车"),
        ("Bus", "公交"), ("Metro", "地铁"), ("Bus + metro", "公交+地铁"), ("Taxi", "巡游出租车"),
        ("Ride-hail", "网约车"), ("Car driver", "小汽车（驾驶）"), ("Car passenger", "小汽车（乘坐）"),
    ),
    Nest: (("Active", "慢行"), ("Transit", "公共交通"), ("Hired", "出租"), ("Car", "小汽车")),
    Purpose: (
        ("Work", "上班"), ("School", "上学"), ("Business", "公务"), ("Shopping", "购物"),
        ("Leisure", "休闲"), ("Errand", "生活事务"),
    ),
    Period: (("AM peak", "早高峰"), ("Midday", "平峰"), ("PM peak", "晚高峰"), ("Night", "夜间")),
    PersonStatus: (
        ("Worker", "就业者"), ("Student", "学生"), ("Retired", "退休者"), ("Other adult", "其他成年人"),
        ("Child", "学龄前儿童"),
    ),
    AgeGroup: (("0-5", "0-5岁"), ("6-14", "6-14岁"), ("15-24", "15-24岁"), ("25-44", "25-44岁"),
               ("45-59", "45-59岁"), ("60+", "60岁及以上")),
    Sex: (("Female", "女"), ("Male", "男")),
    Registration: (("Local", "本市户籍"), ("Work permit", "工作居住证"), ("Other", "其他")),
    ValueOfTimeClass: (("Low", "低"), ("Middle", "中"), ("High", "高")),
    Powertrain: (("ICE", "燃油"), ("HEV", "混合动力"), ("PHEV", "插电混动"), ("BEV", "纯电动"), ("FCEV", "燃料电池")),
    Fuel: (("Petrol", "汽油"), ("Diesel", "柴油"), ("CNG", "压缩天然气"), ("LNG", "液化天然气"), ("Electricity", "电"),
           ("Hydrogen", "氢")),
    VehicleClass: (
        ("Private cars", "私人小汽车"), ("Official and company cars", "公务及企业用车"),
        ("Cruising taxis", "巡游出租车"), ("Ride-hail cars", "网约车"), ("Buses", "公交车"),
        ("Coaches", "营运客车"), ("Delivery vans under 4.5 t", "4.5吨以下物流车"), ("Trucks", "货车"),
        ("Sanitation vehicles", "环卫车"), ("Airport vehicles", "机场场内车辆"), ("Other", "其他机动车"),
    ),
    PlateKind: (("Ordinary", "普通指标"), ("New-energy", "新能源指标"), ("Out of town", "外埠号牌")),
    ApplicantKind: (("Family", "家庭"), ("Individual", "个人"), ("Unit", "单位")),
    Accounting: (("Direct only", "仅直接排放"), ("Provincial grid", "市级电网因子"), ("Regional grid", "区域电网因子"),
                 ("Market", "市场法（绿电）"), ("Well to wheel", "全生命周期燃料链")),
    Scope: (("S1: road goods and coaches", "S1：道路货运与客运班车"), ("S2: S1, bus and taxi", "S2：S1加公交、出租"),
            ("S3: S2 and metro", "S3：S2加地铁"), ("S3, metro weighted as road", "S3（地铁按道路折算）")),
    LinkClass: (("Motorway", "高速公路"), ("Expressway", "城市快速路"), ("Primary", "主干路"), ("Secondary", "次干路"),
                ("Tertiary", "支路"), ("Local", "街巷"), ("Path", "慢行路径")),
    TransitMode: (("Bus", "公交"), ("Metro", "地铁")),
    TransitOption: (("Bus", "公交"), ("Metro", "地铁"), ("Bus + metro", "公交+地铁")),
}  # fmt: skip


def label(code: IntEnum, language: str = "en") -> str:
    """Label of a code in ``language`` (``"en"`` or ``"zh"``)."""
    return LABELS[type(code)][int(code)][1 if language == "zh" else 0]
