"""From a cube and a model to a lazy map of NEE."""

from xnee.prediction.contract import Model
from xnee.prediction.planning import Plan, plan
from xnee.prediction.predicting import predict

__all__ = ["Model", "Plan", "plan", "predict"]
