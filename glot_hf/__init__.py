from .configuration_glot import GlotConfig
from .pooling_glot import GlotPooler
